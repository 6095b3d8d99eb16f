// How the parts of a shown value become text: quotes, lines of at most 80 characters, and columns. Used by inspect.guest.ts.

export interface Layout {
  readonly breakLength: number;
  readonly compact: number;
  readonly maxArrayLength: number;
  readonly indentation: number;
  /** Of the value that was looked into last. */
  readonly currentDepth: number;
}

export const counted = (count: number, noun: string): string => `${count} ${noun}${count > 1 ? "s" : ""}`;
export const moreItems = (count: number): string => `... ${counted(count, "more item")}`;

// oxlint-disable-next-line no-control-regex -- control characters are what it is about
const ESCAPED = /[\x00-\x1f\x5c\x7f-\x9f]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;
const ESCAPES: Readonly<Record<string, string>> = {
  "\b": "\\b",
  "\t": "\\t",
  "\n": "\\n",
  "\f": "\\f",
  "\r": "\\r",
  "\\": "\\\\",
};

export const escape = (text: string): string =>
  text.replace(ESCAPED, (character) => {
    const code = character.charCodeAt(0);
    if (code > 0xff) return `\\u${code.toString(16)}`;
    return ESCAPES[character] ?? `\\x${code.toString(16).toUpperCase().padStart(2, "0")}`;
  });

/** In the quotes that need no escapes, if there are such. */
export function quote(text: string): string {
  const mark = ["'", '"', "`"].find((one) => !text.includes(one) && (one !== "`" || !text.includes("${")));
  return mark === undefined ? `'${escape(text).replaceAll("'", "\\'")}'` : mark + escape(text) + mark;
}

const WIDE =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1f64f}\u{1f680}-\u{1f6ff}\u{1f900}-\u{1f9ff}\u{20000}-\u{3fffd}]/u;
const NARROW = /[\p{Cc}\p{Mn}\p{Me}\p{Cf}]/u;

/** Columns of a terminal. */
export function widthOf(text: string): number {
  // oxlint-disable-next-line no-control-regex -- ASCII
  if (/^[\x20-\x7e]*$/.test(text)) return text.length;
  let width = 0;
  for (const character of text.normalize("NFC")) width += WIDE.test(character) ? 2 : NARROW.test(character) ? 0 : 1;
  return width;
}

/** `list`: an array whose elements the parts are; more than six go into columns. */
export function joined(
  layout: Layout,
  parts: readonly string[],
  base: string,
  open: string,
  close: string,
  depth: number,
  list?: unknown,
): string {
  const front = (base === "" ? "" : `${base} `) + open;
  const rows = list !== undefined && parts.length > 6 ? inColumns(layout, parts, list as ArrayLike<unknown>) : parts;
  const isShallow = layout.currentDepth - depth < layout.compact;
  if (isShallow && rows.length === parts.length) {
    const start = parts.length + layout.indentation + open.length + base.length + 10;
    const length = parts.reduce((sum, part) => sum + part.length, parts.length + start);
    const isShort = length <= layout.breakLength && parts.length + parts.length + start <= layout.breakLength;
    const line = parts.join(", ");
    if (isShort && !base.includes("\n") && !line.includes("\n")) return `${front} ${line} ${close}`;
  }
  const indent = `\n${" ".repeat(layout.indentation)}`;
  return `${front}${indent}  ${rows.join(`,${indent}  `)}${indent}${close}`;
}

/** As Node does it: about a square, at most 15 columns. */
function inColumns(layout: Layout, parts: readonly string[], list: ArrayLike<unknown>): readonly string[] {
  const hasRest = layout.maxArrayLength < parts.length;
  const cells = hasRest ? parts.slice(0, -1) : parts;
  const widths = cells.map(widthOf);
  const total = widths.reduce((sum, width) => sum + width + 2, 0);
  const widest = Math.max(...widths);
  const cell = widest + 2;
  const fits = cell * 3 + layout.indentation < layout.breakLength && (total / cell > 5 || widest <= 6);
  if (!fits) return parts;
  const biased = Math.max(cell - 3 - Math.sqrt(cell - total / parts.length), 1);
  const columns = Math.min(
    Math.round(Math.sqrt(2.5 * biased * cells.length) / biased),
    Math.floor((layout.breakLength - layout.indentation) / cell),
    layout.compact * 4,
    15,
  );
  if (columns <= 1) return parts;
  const columnWidths = Array.from({ length: columns }, (_, column) =>
    Math.max(...widths.filter((_width, i) => i % columns === column)),
  );
  const isNumbers = parts.every((_, i) => typeof list[i] === "number" || typeof list[i] === "bigint");
  const rows: string[] = [];
  for (let start = 0; start < cells.length; start += columns) {
    const end = Math.min(start + columns, cells.length);
    let row = "";
    for (let i = start; i < end; i++) {
      const isLast = i === end - 1;
      const padding = " ".repeat(columnWidths[i - start]! - widths[i]!);
      const text = isLast ? cells[i]! : `${cells[i]!}, `;
      row += isNumbers ? padding + text : isLast ? text : text + padding;
    }
    rows.push(row);
  }
  if (hasRest) rows.push(parts.at(-1)!);
  return rows;
}

/** `constructor` is null if the prototype is null; `fallback` stands for it then. */
export function prefix(constructor: string | null, tag: string, fallback: string, size = ""): string {
  if (constructor === null) return `[${fallback}${size}: null prototype] ${tag && fallback !== tag ? `[${tag}] ` : ""}`;
  if (tag === "") return `${constructor}${size} `;
  const isSame = constructor === tag.slice(tag.lastIndexOf(".") + 1);
  return isSame ? `${tag}${size} ` : `${constructor}${size} [${tag}] `;
}
