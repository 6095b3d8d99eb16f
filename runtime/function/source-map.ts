// The source map that a bundle carries at its end (bundle.ts).

const MARK = "//# sourceMappingURL=data:application/json;base64,";

/** The bundle without its map, and the map as JSON; empty where it has none. */
export function splitSourceMap(bundle: string): readonly [source: string, mapJson: string] {
  const at = bundle.lastIndexOf(MARK);
  if (at < 0) return [bundle, ""];
  return [bundle.slice(0, at), Buffer.from(bundle.slice(at + MARK.length), "base64").toString("utf8")];
}
