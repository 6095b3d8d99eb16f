// Patterns of KEYS, and of MATCH in SCAN and its kin: `stringmatchlen` of Redis' util.c, without its recursion, whose time grows
// exponentially with the stars.

import type { Bytes } from "./reply-writing.ts";

/** One byte of what is matched. */
type Test = (byte: Bytes) => boolean;
type Token = Test | "star";

/** Whether all of `text` is as `glob` says; the star alone also takes the empty text. */
export function globMatcher(glob: Bytes): (text: Bytes) => boolean {
  if (glob === "*") return () => true;
  const tokens = tokensOf(glob);
  // Redis looks at a pattern only while there is text to compare.
  return (text) => (text === "" ? glob === "" : matches(tokens, text));
}

/** After the last star, one byte of text more than before is left to it until the rest fits. */
function matches(tokens: readonly Token[], text: Bytes): boolean {
  let [token, place] = [0, 0];
  let retry: { readonly token: number; place: number } | null = null;
  while (place < text.length) {
    const test = tokens[token];
    if (test === "star") {
      token += 1;
      retry = { token, place };
    } else if (test?.(text[place] ?? "") === true) {
      token += 1;
      place += 1;
    } else if (retry === null) return false;
    else {
      retry.place += 1;
      ({ token, place } = retry);
    }
  }
  return tokens.slice(token).every((left) => left === "star");
}

function tokensOf(glob: Bytes): Token[] {
  const tokens: Token[] = [];
  let i = 0;
  const is =
    (wanted: Bytes): Test =>
    (byte) =>
      byte === wanted;
  while (i < glob.length) {
    const byte = glob[i] ?? "";
    if (byte === "*") tokens.push("star");
    else if (byte === "?") tokens.push(() => true);
    else if (byte === "[") {
      const { test, end } = classAt(glob, i + 1);
      tokens.push(test);
      i = end;
    } else if (byte === "\\" && i + 1 < glob.length) {
      i += 1;
      tokens.push(is(glob[i] ?? ""));
    } else tokens.push(is(byte));
    i += 1;
  }
  return tokens;
}

/** What stands between brackets, from `start` on; one that is not closed takes all that follows. `end`: its last place. */
function classAt(glob: Bytes, start: number): { readonly test: Test; readonly end: number } {
  const not = glob[start] === "^";
  const ranges: [low: Bytes, high: Bytes][] = [];
  let i = not ? start + 1 : start;
  while (i < glob.length && glob[i] !== "]") {
    if (glob[i] === "\\" && i + 1 < glob.length) i += 1;
    else if (glob[i + 1] === "-" && i + 2 < glob.length) {
      const [from = "", to = ""] = [glob[i], glob[i + 2]];
      ranges.push(from < to ? [from, to] : [to, from]);
      i += 3;
      continue;
    }
    const byte = glob[i] ?? "";
    ranges.push([byte, byte]);
    i += 1;
  }
  return { test: (byte) => ranges.some(([low, high]) => low <= byte && byte <= high) !== not, end: i };
}
