// Finds what of a result JSON would leave out without a word. The loop asks only where the JSON that V8 made looks as if
// (an object without properties, or one that counts from 0), so that a usual result costs no look at all.

const { isArray } = Array;
const { getPrototypeOf, keys, prototype: plain } = Object;
const { apply } = Reflect;
// oxlint-disable-next-line typescript/unbound-method -- called through Reflect.apply
const { toString } = plain;
const { iterator, asyncIterator } = Symbol;
// oxlint-disable-next-line typescript/unbound-method -- it knows no `this`
const { isView } = ArrayBuffer;

type Kind = readonly [name: string, is: (value: object) => boolean, instead: string];
const instance = (name: string, of: new (...args: never[]) => object, instead: string): Kind => [
  name,
  (value) => value instanceof of,
  instead,
];

/** Of these JSON shows no more than the members that they were given. */
const KINDS: readonly Kind[] = [
  instance("a Map", Map, "give Object.fromEntries(map)"),
  instance("a Set", Set, "give [...set]"),
  instance("a Promise", Promise, "await it"),
  instance("an ArrayBuffer", ArrayBuffer, "give text, or an array"),
  instance("an Error", Error, "give its message"),
  instance("a RegExp", RegExp, "give its source"),
  instance("a WeakMap", WeakMap, "it cannot be listed"),
  instance("a WeakSet", WeakSet, "it cannot be listed"),
];

/**
 * Names that built-in objects have from `toString` although JSON shows what they are. All others are of objects whose content
 * JSON cannot see; without members they would be `{}`.
 */
const SHOWN: ReadonlySet<string> = new Set(["Object", "Boolean", "Number", "String", "Date", "Arguments", "Module"]);

/** Of an object without members that is not plain. */
function emptyLoss(value: object): string | undefined {
  const name = apply(toString, value, []).slice("[object ".length, -1);
  if (SHOWN.has(name) && name !== "Object") return undefined;
  for (const [kind, is, instead] of KINDS) {
    if (is(value)) return ` is ${kind}, which JSON cannot show: ${instead}`;
  }
  if (asyncIterator in value)
    return " is an asynchronous iterable, which JSON cannot show: give an array of what it yields";
  if (iterator in value) return " is an iterable, which JSON cannot show: give [...it]";
  return SHOWN.has(name) ? undefined : ` is an object of the kind ${name}, which JSON cannot show: give plain data`;
}

/** Of what JSON leaves out. */
const leftOut = (value: unknown): string | undefined => {
  if (typeof value === "function") return " is a function: call it";
  return typeof value === "symbol" ? " is a symbol, which JSON cannot show: give its description" : undefined;
};

/** ".seen is a Set, …", its place first; nothing where all that `value` holds goes into its JSON. */
export function findLoss(value: unknown): string | undefined {
  if (typeof value === "bigint") return " is a BigInt, which JSON cannot show: give a number, or text";
  if (typeof value !== "object" || value === null) return leftOut(value);
  // What says itself what it is in JSON loses nothing that its author wants.
  if (typeof (value as { readonly toJSON?: unknown }).toJSON === "function") return undefined;
  if (isArray(value)) {
    for (let i = 0; i < value.length; i++) {
      // As JSON has it, a function in an array is null.
      const found = typeof value[i] === "object" || typeof value[i] === "bigint" ? findLoss(value[i]) : undefined;
      if (found !== undefined) return `[${i}]${found}`;
    }
    return undefined;
  }
  // Its members are its numbers.
  if (isView(value)) return " is an array of bytes or numbers, which JSON cannot show: give text, or [...array]";
  const names = keys(value);
  if (names.length === 0) return getPrototypeOf(value) === plain ? undefined : emptyLoss(value);
  let first: string | undefined;
  let isEmpty = true;
  for (const name of names) {
    const member = (value as Readonly<Record<string, unknown>>)[name];
    const lost = leftOut(member);
    if (lost === undefined) isEmpty = false;
    else first ??= `.${name}${lost}`;
    const found = lost === undefined ? findLoss(member) : undefined;
    if (found !== undefined) return `.${name}${found}`;
  }
  // Of several members JSON leaves out those that are functions; with nothing else it would be an empty object.
  return isEmpty ? first : undefined;
}
