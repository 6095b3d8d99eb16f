// Finds what of a result JSON would leave out without a word. The loop asks only where the JSON that V8 made looks as if
// (an object without properties, or one that counts from 0), so that a usual result costs no look at all.

const { isArray } = Array;
const { getPrototypeOf, keys, prototype: plain } = Object;
// oxlint-disable-next-line typescript/unbound-method -- it knows no `this`
const { isView } = ArrayBuffer;

type Kind = readonly [name: string, is: (value: object) => boolean, instead: string];
const instance = (name: string, of: new (...args: never[]) => object, instead: string): Kind => [
  name,
  (value) => value instanceof of,
  instead,
];

const KINDS: readonly Kind[] = [
  instance("a Map", Map, "give Object.fromEntries(map)"),
  instance("a Set", Set, "give [...set]"),
  instance("a Promise", Promise, "await it"),
  ["an array of bytes or numbers", isView, "give text, or [...array]"],
  instance("an ArrayBuffer", ArrayBuffer, "give text, or an array"),
  instance("an Error", Error, "give its message"),
  instance("a RegExp", RegExp, "give its source"),
  instance("a WeakMap", WeakMap, "it cannot be listed"),
  instance("a WeakSet", WeakSet, "it cannot be listed"),
];

/** ".seen is a Set, …", its place first; nothing where all that `value` holds goes into its JSON. */
export function findLoss(value: unknown): string | undefined {
  if (typeof value === "bigint") return " is a BigInt, which JSON cannot show: give a number, or text";
  if (typeof value !== "object" || value === null) return undefined;
  // What says itself what it is in JSON loses nothing that its author wants.
  if (typeof (value as { readonly toJSON?: unknown }).toJSON === "function") return undefined;
  if (isArray(value)) {
    for (let i = 0; i < value.length; i++) {
      const found = findLoss(value[i]);
      if (found !== undefined) return `[${i}]${found}`;
    }
    return undefined;
  }
  if (getPrototypeOf(value) !== plain) {
    for (const [name, is, instead] of KINDS) {
      if (is(value)) return ` is ${name}, which JSON cannot show: ${instead}`;
    }
  }
  for (const name of keys(value)) {
    const found = findLoss((value as Readonly<Record<string, unknown>>)[name]);
    if (found !== undefined) return `.${name}${found}`;
  }
  return undefined;
}
