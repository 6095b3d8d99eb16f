// What the `locus` program prints: aligned columns for people, one line of JSON for programs.

export const printJson = (value: unknown): void => void process.stdout.write(`${JSON.stringify(value)}\n`);

export const printLine = (text: string): void => void process.stdout.write(`${text}\n`);

/** What is beside the matter: on stderr, so that stdout holds the result alone. */
export const printNote = (text: string): void => void process.stderr.write(`${text}\n`);

/**
 * Text of a function's own on one line: control characters, line breaks of any kind and marks that turn the direction of text
 * are written as in JSON, so that one entry never looks like two and moves no cursor.
 */
export const onOneLine = (text: string): string =>
  text.replaceAll(/[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/gu, (character) => {
    const short = JSON.stringify(character).slice(1, -1);
    return short === character ? `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}` : short;
  });

/** The same for text that may have several lines. */
export const onItsLines = (text: string): string => text.split("\n").map(onOneLine).join("\n");

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
