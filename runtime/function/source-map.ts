// The source map that a bundle carries at its end (bundle.ts), and the limits of the two.

import { LocusError } from "#runtime/errors.ts";
import { BUNDLE_BYTES_MAX, CODE_BYTES_MAX } from "./description.ts";

const MARK = "//# sourceMappingURL=data:application/json;base64,";

/** The bundle without its map, and the map as JSON; empty where it has none. */
export function splitSourceMap(bundle: string): readonly [source: string, mapJson: string] {
  const at = bundle.lastIndexOf(MARK);
  if (at < 0) return [bundle, ""];
  return [bundle.slice(0, at), Buffer.from(bundle.slice(at + MARK.length), "base64").toString("utf8")];
}

export const joinSourceMap = (source: string, mapJson: string): string =>
  `${source}${MARK}${Buffer.from(mapJson).toString("base64")}\n`;

/** Throws BUNDLE_TOO_LARGE. The Redis module has the same limits in C++. */
export function checkBundleBytes(bundle: Uint8Array): void {
  const mark = Buffer.from(bundle.buffer, bundle.byteOffset, bundle.length).lastIndexOf(MARK);
  const codeBytes = mark < 0 ? bundle.length : mark;
  if (codeBytes > CODE_BYTES_MAX) {
    throw new LocusError(
      "BUNDLE_TOO_LARGE",
      `the code of the bundle has ${codeBytes} bytes; at most ${CODE_BYTES_MAX} are allowed`,
    );
  }
  if (bundle.length > BUNDLE_BYTES_MAX) {
    throw new LocusError(
      "BUNDLE_TOO_LARGE",
      `the bundle has ${bundle.length} bytes with its source map; at most ${BUNDLE_BYTES_MAX} are allowed`,
    );
  }
}
