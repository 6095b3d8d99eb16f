// A stack by the author's files and lines. Used in isolates (auxiliary.guest.ts), and by instances that are processes.

import { originalPositionFor, type TraceMap } from "@jridgewell/trace-mapping";

/**
 * Of positions in the bundle, which the stack calls `<function>`; where it had no map (undefined) they stay. Frames that are
 * `ours` are left out, and those of code that the map leads nowhere: esbuild's or ours.
 */
export function authorStack(map: TraceMap | undefined, stack: string, ours: (frame: string) => boolean): string {
  return stack
    .split("\n")
    .filter((frame) => !ours(frame))
    .map((frame) => (map === undefined ? frame : authorFrame(map, frame)))
    .filter((frame) => map === undefined || !/^ {4,}at .*<function>:\d+:\d+\)?$/.test(frame))
    .join("\n");
}

const authorFrame = (map: TraceMap, frame: string): string =>
  frame.replace(/<function>:(\d+):(\d+)/, (position, line: string, column: string) => {
    const found = originalPositionFor(map, { line: Number(line), column: Number(column) - 1 });
    return found.source === null ? position : `${found.source}:${found.line}:${found.column + 1}`;
  });
