// Names the sources of a bundle so that stacks show where code comes from, and the bundle does not show where it lay: an
// author's file by its path from the function's file, a package's file by its path in `node_modules`.

import { decodedMappings, encodedMap, type SourceMapSegment, TraceMap } from "@jridgewell/trace-mapping";

export interface MappedCode {
  readonly code: string;
  readonly mapJson: string;
}

/** What esbuild calls a CommonJS module, or one that is loaded later, when it lies in a package: its path, as a method's name. Before that of a file that the package disables stands `(disabled):`. */
const PACKAGE_KEY = /\{"(?:[^"\n]*\/|\(disabled\):)?(?=node_modules\/[^"\n]*"\()/g;
/** Ends of the names of source files. Other imports are data, and no stack names them. */
const SOURCE_PATTERN = /\.[cm]?[jt]sx?$/;

/**
 * Of what esbuild made. The map has each position of the author's files, each line of packages, and nothing of what
 * esbuild and locus add. `coarse`: of the author's files the lines only, and not their text.
 */
export function nameSources({ code, mapJson }: MappedCode, coarse: boolean): MappedCode {
  const map = new TraceMap(mapJson);
  const names: (string | null)[] = map.sources.map((source) => nameOf(source ?? ""));
  const sources: string[] = [];
  const sourcesContent: (string | null)[] = [];
  const places = new Map<number, number>();
  const placeOf = (source: number, name: string): number =>
    places.getOrInsertComputed(source, () => {
      const isShown = !coarse && !isOfPackage(name) && SOURCE_PATTERN.test(name);
      sourcesContent.push(isShown ? (map.sourcesContent?.[source] ?? null) : null);
      return sources.push(name) - 1;
    });

  const lines = code.split("\n");
  const mappings = decodedMappings(map).map((segments, line) => {
    const kept: SourceMapSegment[] = [];
    const cuts = cutsOf(lines[line] ?? "");
    let [cut, cutLength] = [0, 0];
    for (const [column, source = -1, sourceLine = 0, sourceColumn = 0] of segments) {
      for (; cut < cuts.length && cuts[cut]!.column < column; cut++) cutLength += cuts[cut]!.length;
      const name = names[source] ?? null;
      const last = kept.at(-1);
      if (name === null) {
        if (last !== undefined && last.length > 1) kept.push([column - cutLength]);
        continue;
      }
      const place = placeOf(source, name);
      if ((coarse || isOfPackage(name)) && last?.[1] === place && last[2] === sourceLine) continue;
      kept.push([column - cutLength, place, sourceLine, sourceColumn]);
    }
    return kept;
  });
  const named = encodedMap(new TraceMap({ version: 3, names: [], sources, sourcesContent, mappings }));
  return { code: code.replace(PACKAGE_KEY, '{"'), mapJson: JSON.stringify(named) };
}

const isOfPackage = (name: string): boolean => name.startsWith("node_modules/");

/** null: the source is a file of locus. A map names its sources by URLs. */
function nameOf(source: string): string | null {
  if (source.startsWith("locus:")) return null;
  const path = decodeURIComponent(source);
  const at = path.lastIndexOf("node_modules/");
  return at < 0 ? path : path.slice(at);
}

/** What is cut out of the package keys in a line, in order. */
const cutsOf = (line: string): readonly { readonly column: number; readonly length: number }[] =>
  Array.from(line.matchAll(PACKAGE_KEY), ({ index, 0: key }) => ({ column: index, length: key.length - '{"'.length }));
