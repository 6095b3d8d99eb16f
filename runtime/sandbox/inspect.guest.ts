// The text that a log shows of values: what `inspect` and `format` of node:util make of them. Used in isolates
// (console.guest.ts), and by instances that are processes. It runs where the function runs, by the function's CPU time.
// It differs from Node in what the language cannot see: a promise's state, a proxy, the items of an iterator.

/* oxlint-disable typescript/unbound-method -- methods are called through Reflect.apply */

import { attempt } from "./error-causes.guest.ts";
import { errorText } from "./inspect-error.guest.ts";
import { counted, escape, joined, moreItems, prefix, quote } from "./inspect-layout.guest.ts";

export interface InspectOptions {
  readonly depth?: number | null;
  readonly breakLength?: number;
  readonly maxArrayLength?: number | null;
  readonly maxStringLength?: number | null;
  readonly compact?: number;
  /** Non-enumerable properties, too: `%o`. */
  readonly showHidden?: boolean;
  readonly customInspect?: boolean;
  /** Characters after which nothing more is looked at. */
  readonly lengthMax?: number;
}

interface Context extends Required<InspectOptions> {
  readonly depth: number;
  readonly maxArrayLength: number;
  readonly maxStringLength: number;
  readonly seen: object[];
  readonly circular: Map<object, number>;
  indentation: number;
  currentDepth: number;
  charactersLeft: number;
}

type Entries = (context: Context, depth: number) => string[];
type Named = Readonly<Record<PropertyKey, unknown>>;

/** As long as the longest log line. */
const LENGTH_MAX = 4_096;
/** Arrays with more elements do not show their other properties, whose list would name each element. */
const LISTED_LENGTH_MAX = 10_000;
/** Holes of an array that are looked at in a row. */
const HOLES_MAX = 1_000_000;
/** A longer text is broken after each of its lines. */
const SHORT_TEXT_LENGTH = 16;
const CUSTOM = Symbol.for("nodejs.util.inspect.custom");
const DEFAULTS = { depth: 2, breakLength: 80, maxArrayLength: 100, maxStringLength: 10_000, compact: 3 };
const TYPED_ARRAY = Object.getPrototypeOf(Uint8Array.prototype) as object;

const { apply, ownKeys, getPrototypeOf, getOwnPropertyDescriptor } = Reflect;
const { hasOwn, is } = Object;
const isEnumerable = (value: object, key: PropertyKey): boolean =>
  apply(Object.prototype.propertyIsEnumerable, value, [key]);
const isIndex = (key: PropertyKey): boolean => typeof key === "string" && /^(?:0|[1-9]\d{0,9})$/.test(key);
const getter = (of: object, name: PropertyKey): unknown => getOwnPropertyDescriptor(of, name)?.get;

/** Whether a value is of a built-in class, by its class and by a method that only such values answer. */
function isOf(value: object, type: unknown, method: unknown): boolean {
  const test = (): boolean => {
    if (!(value instanceof (type as () => void))) return false;
    apply(method as () => void, value, []);
    return true;
  };
  return attempt(test) ?? false;
}

const isMap = (value: object): value is Map<unknown, unknown> => isOf(value, Map, getter(Map.prototype, "size"));
const isSet = (value: object): value is Set<unknown> => isOf(value, Set, getter(Set.prototype, "size"));
export const isTypedArray = (value: unknown): value is Uint8Array =>
  ArrayBuffer.isView(value) && !isOf(value, DataView, getter(DataView.prototype, "byteLength"));
export { isMap, isSet };

export function inspect(value: unknown, options: InspectOptions = {}): string {
  const given = { ...DEFAULTS, showHidden: false, customInspect: true, lengthMax: LENGTH_MAX, ...options };
  const bound = (limit: number | null): number => limit ?? Infinity;
  const context: Context = {
    ...given,
    depth: bound(given.depth),
    maxArrayLength: bound(given.maxArrayLength),
    maxStringLength: bound(given.maxStringLength),
    seen: [],
    circular: new Map(),
    indentation: 0,
    currentDepth: 0,
    charactersLeft: given.lengthMax,
  };
  return show(context, value, 0);
}

/** Never throws. */
function show(context: Context, value: unknown, depth: number, isBufferOfShown = false): string {
  if (context.charactersLeft <= 0) return "…";
  context.charactersLeft -= 2;
  if ((typeof value !== "object" && typeof value !== "function") || value === null) {
    const text = primitive(context, value);
    context.charactersLeft -= text.length;
    return text;
  }
  const { indentation } = context;
  const seen = context.seen.length;
  try {
    return showCustom(context, value, depth) ?? showObject(context, value, depth, isBufferOfShown);
  } catch {
    context.seen.length = seen;
    context.indentation = indentation;
    return "[a value that cannot be shown]";
  }
}

function showCustom(context: Context, value: object, depth: number): string | undefined {
  const custom = context.customInspect ? (value as Named)[CUSTOM] : undefined;
  if (typeof custom !== "function") return undefined;
  const { constructor } = value as { readonly constructor?: unknown };
  if (hasOwn(value, "constructor") && (constructor as Named)?.["prototype"] === value) return undefined;
  const { breakLength, compact, showHidden, maxArrayLength, maxStringLength, charactersLeft } = context;
  const given = { breakLength, compact, showHidden, maxArrayLength, maxStringLength, lengthMax: charactersLeft };
  const left = context.depth - depth;
  const depthLeft = left === Infinity ? null : left;
  const options = { ...given, depth: depthLeft, customInspect: true, stylize: (text: string): string => text };
  const shown: unknown = apply(custom as () => unknown, value, [depthLeft, options, inspect]);
  if (shown === value) return undefined;
  if (typeof shown !== "string") return show(context, shown, depth);
  context.charactersLeft -= shown.length;
  return shown.slice(0, LENGTH_MAX).replaceAll("\n", `\n${" ".repeat(context.indentation)}`);
}

function primitive(context: Context, value: unknown): string {
  if (typeof value === "bigint") return `${value}n`;
  // oxlint-disable-next-line typescript/no-base-to-string -- it is a primitive value
  if (typeof value !== "string") return is(value, -0) ? "-0" : String(value);
  const { maxStringLength, breakLength, indentation } = context;
  const rest = value.length - maxStringLength;
  const text = rest > 0 ? value.slice(0, maxStringLength) : value;
  const isLong = text.length > SHORT_TEXT_LENGTH && text.length > breakLength - indentation - 4;
  const lines = isLong ? text.split(/(?<=\n)/) : [text];
  const quoted = lines.map(quote).join(` +\n${" ".repeat(indentation + 2)}`);
  return rest > 0 ? `${quoted}... ${counted(rest, "more character")}` : quoted;
}

/** null: its prototype is null. */
function constructorName(context: Context, value: object): string | null {
  for (let at: object | null = value; at !== null; at = getPrototypeOf(at)) {
    const type: unknown = getOwnPropertyDescriptor(at, "constructor")?.value;
    if (typeof type === "function" && type.name !== "" && attempt(() => value instanceof type) === true)
      return type.name;
  }
  const first = getPrototypeOf(value);
  if (first === null) return null;
  const name = constructorName(context, first) ?? inspect(first, { ...context, customInspect: false, depth: -1 });
  return `${fallbackName(value)} <${name}>`;
}

const fallbackName = (value: object): string => (typeof value === "function" ? "Function" : "Object");

/** To list names costs something, too. */
const NAMES_PER_CHARACTER = 64;

function keysOf(context: Context, value: object, isList: boolean): PropertyKey[] {
  const keys = ownKeys(value);
  context.charactersLeft -= Math.floor(keys.length / NAMES_PER_CHARACTER);
  return keys.filter((key) => (context.showHidden || isEnumerable(value, key)) && !(isList && isIndex(key)));
}

/** How a kind of object is shown: before its braces, its braces, and what stands in them before its properties. */
interface Shape {
  readonly base?: string;
  readonly open?: string;
  readonly entries?: Entries | undefined;
  readonly isList?: boolean;
  readonly extraKeys?: readonly string[] | undefined;
  /** True: it is shown in full even if it is nested too deeply. */
  readonly isWhole?: boolean;
}

function showObject(context: Context, value: object, depth: number, isBufferOfShown: boolean): string {
  if (context.seen.includes(value)) {
    const number = context.circular.get(value) ?? context.circular.size + 1;
    context.circular.set(value, number);
    return `[Circular *${number}]`;
  }
  const constructor = constructorName(context, value);
  const ownTag = attempt(() => (value as Named)[Symbol.toStringTag]);
  const isTagShown = context.showHidden ? hasOwn : isEnumerable;
  const tag = typeof ownTag === "string" && !isTagShown(value, Symbol.toStringTag) ? ownTag : "";
  const isList = Array.isArray(value) || isTypedArray(value);
  const isListed = !isList || (value as { readonly length: number }).length <= LISTED_LENGTH_MAX;
  const keys = isListed ? keysOf(context, value, isList) : [];
  const shape = shapeOf(context, value, constructor, tag, keys, isBufferOfShown);
  const { base = "", entries, extraKeys = [], open = "{" } = shape;
  const close = shape.isList === true ? "]" : "}";
  const isTooDeep = depth > context.depth;
  if (keys.length === 0 && entries === undefined && extraKeys.length === 0) return base || open + close;
  if (isTooDeep && shape.isWhole === true) return base;
  if (isTooDeep) {
    const name = prefix(constructor, tag, isList ? "Array" : fallbackName(value)).slice(0, -1);
    return constructor === null ? name : `[${name}]`;
  }
  context.seen.push(value);
  context.currentDepth = depth + 1;
  const parts = entries?.(context, depth + 1) ?? [];
  for (const key of extraKeys) {
    const extra = indented(context, () => show(context, (value as Named)[key], depth + 1, isList));
    parts.push(`[${key}]: ${extra}`);
  }
  for (const key of keys) {
    if (context.charactersLeft <= 0) break;
    parts.push(showProperty(context, value, key, depth + 1));
  }
  const reference = context.circular.get(value);
  const mark = reference === undefined ? "" : `<ref *${reference}>`;
  context.seen.pop();
  const front = mark === "" || base === "" ? mark + base : `${mark} ${base}`;
  return joined(context, parts, front, open, close, depth + 1, shape.isList === true ? value : undefined);
}

function indented<T>(context: Context, work: () => T): T {
  context.indentation += 2;
  const made = work();
  context.indentation -= 2;
  return made;
}

const BOXES = [Number, String, Boolean, BigInt, Symbol] as const;

function shapeOf(
  context: Context,
  value: object,
  constructor: string | null,
  tag: string,
  keys: PropertyKey[],
  isBufferOfShown: boolean,
): Shape {
  const named = (fallback: string, size?: number): string =>
    prefix(constructor, tag, fallback, size === undefined ? "" : `(${size})`);
  if (Array.isArray(value)) {
    const open = constructor === "Array" && tag === "" ? "[" : `${named("Array", value.length)}[`;
    return { open, isList: true, entries: value.length === 0 ? undefined : (at, depth) => listed(at, value, depth) };
  }
  if (isSet(value)) {
    const one = (at: Context, item: unknown, depth: number): string => show(at, item, depth);
    return { open: `${named("Set", value.size)}{`, entries: collected(value, one) };
  }
  if (isMap(value)) {
    const one = (at: Context, [key, item]: readonly [unknown, unknown], depth: number): string =>
      `${show(at, key, depth)} => ${show(at, item, depth)}`;
    return { open: `${named("Map", value.size)}{`, entries: collected(value, one) };
  }
  if (isTypedArray(value)) {
    const name = String(apply(getter(TYPED_ARRAY, Symbol.toStringTag) as () => void, value, []));
    const extraKeys = context.showHidden
      ? ["BYTES_PER_ELEMENT", "length", "byteLength", "byteOffset", "buffer"]
      : undefined;
    const entries: Entries | undefined = value.length === 0 ? undefined : (at, depth) => listed(at, value, depth);
    return { open: `${named(name, value.length)}[`, isList: true, entries, extraKeys };
  }
  if (typeof value === "function") return { base: functionBase(value, constructor, tag) };
  if (constructor === "Object") {
    const isArguments = apply(Object.prototype.toString, value, []) === "[object Arguments]";
    return { open: isArguments && tag === "" ? "[Arguments] {" : tag === "" ? "{" : `${named("Object")}{` };
  }
  const before = (fallback: string, text: string): string =>
    named(fallback) === `${fallback} ` ? text : named(fallback) + text;
  if (isOf(value, RegExp, getter(RegExp.prototype, "source")) && value !== RegExp.prototype)
    return { base: before("RegExp", apply(RegExp.prototype.toString, value, [])), isWhole: true };
  if (isOf(value, Date, Date.prototype.getTime)) {
    const isValid = !Number.isNaN(apply(Date.prototype.getTime, value, []));
    const text = apply(isValid ? Date.prototype.toISOString : Date.prototype.toString, value, []);
    return { base: before("Date", text) };
  }
  if (value instanceof Error) {
    const text = errorText(value, constructor, tag, keys, context.showHidden);
    context.charactersLeft -= text.length;
    return { base: text.replaceAll("\n", `\n${" ".repeat(context.indentation)}`) };
  }
  const isBuffer = isOf(value, ArrayBuffer, getter(ArrayBuffer.prototype, "byteLength"));
  if (isBuffer || isOf(value, globalThis.SharedArrayBuffer, getter(SharedArrayBuffer.prototype, "byteLength"))) {
    const entries: Entries | undefined = isBufferOfShown ? undefined : (at) => [contents(at, value as ArrayBuffer)];
    return { open: `${named(isBuffer ? "ArrayBuffer" : "SharedArrayBuffer")}{`, entries, extraKeys: ["byteLength"] };
  }
  if (ArrayBuffer.isView(value))
    return { open: `${named("DataView")}{`, extraKeys: ["byteLength", "byteOffset", "buffer"] };
  const unseen = (name: string, text: string): Shape => ({ open: `${named(name)}{`, entries: () => [text] });
  if (value instanceof Promise) return unseen("Promise", "<state unknown>");
  if (value instanceof WeakSet) return unseen("WeakSet", "<items unknown>");
  if (value instanceof WeakMap) return unseen("WeakMap", "<items unknown>");
  const box = BOXES.find((type) => isOf(value, type, type.prototype.valueOf));
  if (box !== undefined) return { base: boxedBase(context, value, box, constructor, tag, keys) };
  return { open: `${named("Object")}{` };
}

function listed(context: Context, list: ArrayLike<unknown>, depth: number): string[] {
  const parts: string[] = [];
  const { length } = list;
  let index = 0;
  while (index < length && parts.length < context.maxArrayLength && context.charactersLeft > 0) {
    if (isTypedArray(list) || hasOwn(list, index)) {
      parts.push(showProperty(context, list, index, depth, false));
      index += 1;
      continue;
    }
    const start = index;
    while (index < length && index - start < HOLES_MAX && !hasOwn(list, index)) index += 1;
    // The holes of a longer run are not counted: what follows them counts as holes, too.
    if (index - start === HOLES_MAX) index = length;
    parts.push(`<${counted(index - start, "empty item")}>`);
  }
  if (index < length) parts.push(moreItems(length - index));
  return parts;
}

/** The items of a Map or Set. */
function collected<T>(
  items: Iterable<T> & { readonly size: number },
  one: (context: Context, item: T, depth: number) => string,
): Entries | undefined {
  if (items.size === 0) return undefined;
  return (context, depth) =>
    indented(context, () => {
      const parts: string[] = [];
      for (const item of items) {
        if (parts.length >= context.maxArrayLength || context.charactersLeft <= 0) break;
        parts.push(one(context, item, depth));
      }
      const rest = items.size - parts.length;
      if (rest > 0) parts.push(moreItems(rest));
      return parts;
    });
}

function contents(context: Context, buffer: ArrayBuffer): string {
  if (buffer.detached) return "(detached)";
  const bytes = new Uint8Array(buffer, 0, Math.min(buffer.byteLength, context.maxArrayLength));
  const rest = buffer.byteLength - bytes.length;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(" ");
  return `[Uint8Contents]: <${hex}${rest > 0 ? ` ... ${counted(rest, "more byte")}` : ""}>`;
}

/** Getters do not run. */
function showProperty(context: Context, value: object, key: PropertyKey, depth: number, isNamed = true): string {
  const property = getOwnPropertyDescriptor(value, key);
  let text: string;
  if (property?.get !== undefined) text = property.set === undefined ? "[Getter]" : "[Getter/Setter]";
  else if (property?.set !== undefined) text = "[Setter]";
  else text = indented(context, () => show(context, property?.value, depth));
  if (!isNamed) return text;
  let name = typeof key === "symbol" ? escape(String(key)) : String(key);
  if (name === "__proto__") name = "['__proto__']";
  else if (typeof key === "string" && !/^[a-zA-Z_][a-zA-Z_0-9]*$/.test(name)) name = quote(name);
  context.charactersLeft -= name.length;
  return `${property?.enumerable === false ? `[${name}]` : name}: ${text}`;
}

const textIn = (value: object, key: string): string => {
  const text = (value as Named)[key];
  return typeof text === "string" ? text : "";
};

function functionBase(value: object & { readonly name: unknown }, constructor: string | null, tag: string): string {
  const suffix = tag !== "" && constructor !== tag ? ` [${tag}]` : "";
  const source = apply(Function.prototype.toString, value, []);
  if (/^class(?:\s+[^\s(]|\{)/.test(source) && source.endsWith("}")) {
    const name = (hasOwn(value, "name") && textIn(value, "name")) || "(anonymous)";
    const type = constructor === "Function" || constructor === null ? "" : ` [${constructor}]`;
    const above = constructor === null ? "[null prototype]" : textIn(getPrototypeOf(value)!, "name");
    return `[class ${name}${type}${suffix}${above === "" ? "" : ` extends ${above}`}]`;
  }
  const kind = Object.prototype.toString.call(value).slice("[object ".length, -1);
  const type = /^(?:Async)?(?:Generator)?Function$/.test(kind) ? kind : "Function";
  const { name } = value;
  const label = name === "" ? " (anonymous)" : `: ${typeof name === "string" ? name : inspect(name)}`;
  const above = constructor === type || constructor === null ? "" : ` ${constructor}`;
  return `[${type}${constructor === null ? " (null prototype)" : ""}${label}]${above}${suffix}`;
}

function boxedBase(
  context: Context,
  value: object,
  type: (typeof BOXES)[number],
  constructor: string | null,
  tag: string,
  keys: PropertyKey[],
): string {
  const text = primitive(context, apply(type.prototype.valueOf, value, []));
  if (type === String) keys.splice(0, keys.length, ...keys.filter((key) => !isIndex(key)));
  const name = type.name === constructor ? "" : ` (${constructor ?? "null prototype"})`;
  return `[${type.name}${name}: ${text}]${tag !== "" && tag !== constructor ? ` [${tag}]` : ""}`;
}
