// What the `locus` program prints: aligned columns for people, one line of JSON for programs.

export const printJson = (value: unknown): void => void process.stdout.write(`${JSON.stringify(value)}\n`);

export const printLine = (text: string): void => void process.stdout.write(`${text}\n`);

/** What is beside the matter: on stderr, so that stdout holds the result alone. */
export const printNote = (text: string): void => void process.stderr.write(`${text}\n`);

/** Rows under their heads, columns aligned; `none` where there are no rows. */
export const columns = (heads: readonly string[], rows: readonly (readonly string[])[], none = ""): string => {
  if (rows.length === 0) return none;
  const widths = heads.map((head, index) => Math.max(head.length, ...rows.map((row) => row[index]?.length ?? 0)));
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, index) => cell.padEnd(widths[index] ?? 0))
      .join("  ")
      .trimEnd();
  return [heads, ...rows].map(line).join("\n");
};
