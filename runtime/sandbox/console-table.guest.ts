// `console.table`: rows and columns in a frame, as Node shows them. Used by console.guest.ts.

import { inspect, isMap, isSet, isTypedArray } from "./inspect.guest.ts";
import { widthOf } from "./inspect-layout.guest.ts";

/** What is more does not fit into a log line anyway. */
const ROWS_MAX = 1_000;

type Column = readonly [head: string, cells: Readonly<Record<number, string>>];

export function tableOf(data: object, columns?: readonly string[]): string {
  if (!isMap(data) && !isSet(data)) return framed(...columnsOf(data, columns));
  const items = [...data.entries()].slice(0, ROWS_MAX);
  const index: Column = ["(iteration index)", items.map((_, i) => `${i}`)];
  const values: Column = ["Values", items.map(([, value]) => cellOf(value))];
  const keys: Column = ["Key", items.map(([key]) => cellOf(key))];
  return framed(isMap(data) ? [index, keys, values] : [index, values], items.length);
}

function columnsOf(data: object, chosen?: readonly string[]): readonly [columns: readonly Column[], rows: number] {
  const rows = Object.keys(data).slice(0, ROWS_MAX);
  const cells = new Map<string, Record<number, string>>();
  const values: Record<number, string> = {};
  for (const [i, row] of rows.entries()) {
    const item = (data as Readonly<Record<string, unknown>>)[row];
    const isPrimitive = item === null || (typeof item !== "object" && typeof item !== "function");
    if (isPrimitive && chosen === undefined) values[i] = cellOf(item);
    else for (const name of chosen ?? Object.keys(item as object)) fill(cells, name, i, isPrimitive ? null : item);
  }
  const columns: Column[] = [["(index)", rows], ...cells];
  if (Object.keys(values).length > 0) columns.push(["Values", values]);
  return [columns, rows.length];
}

function fill(cells: Map<string, Record<number, string>>, name: string, row: number, item: unknown): void {
  const column = cells.get(name) ?? {};
  cells.set(name, column);
  if (typeof item !== "object" && typeof item !== "function") return;
  if (item === null || !Object.hasOwn(item, name)) return;
  column[row] = cellOf((item as Readonly<Record<string, unknown>>)[name]);
}

function cellOf(value: unknown): string {
  const isObject = typeof value === "object" && value !== null && !Array.isArray(value) && !isTypedArray(value);
  const depth = isObject && Object.keys(value).length > 2 ? -1 : 0;
  return inspect(value, { depth, maxArrayLength: 3, breakLength: Infinity });
}

function framed(columns: readonly Column[], rows: number): string {
  const widths = columns.map(([head, cells]) =>
    Object.values(cells)
      .map(widthOf)
      .reduce((a, b) => Math.max(a, b), widthOf(head)),
  );
  const rule = (left: string, middle: string, right: string): string =>
    left + widths.map((width) => "─".repeat(width + 2)).join(middle) + right;
  const row = (cells: readonly string[]): string =>
    `│ ${cells.map((cell, i) => cell + " ".repeat(widths[i]! - widthOf(cell))).join(" │ ")} │`;
  return [
    rule("┌", "┬", "┐"),
    row(columns.map(([head]) => head)),
    rule("├", "┼", "┤"),
    ...Array.from({ length: rows }, (_, i) => row(columns.map(([, cells]) => cells[i] ?? ""))),
    rule("└", "┴", "┘"),
  ].join("\n");
}
