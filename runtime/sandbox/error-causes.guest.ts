// What stands behind an error: its `cause`, and the `errors` of an AggregateError, as bounded text. Used in isolates
// (prelude.guest.ts), and by instances that are processes.

/** Levels of causes and members. */
const DEPTH_MAX = 4;
/** Causes and members that are shown of one error, all levels together. */
const SHOWN_MAX = 16;
/** Characters of one message, and of one stack: all that are shown fit into the text of one error. */
const MESSAGE_LENGTH_MAX = 512;
const STACK_LENGTH_MAX = 1_024;

const { isArray } = Array;
const { stringify } = JSON;
const toText = String;

/** Both texts are empty if nothing stands behind the error. */
export interface Causes {
  /** It follows the error's message: ` [cause: TypeError: b]`, ` [errors: Error: c; Error: d]`. */
  readonly message: string;
  /** It follows the error's stack, one indented paragraph for each cause and member. */
  readonly stack: string;
}

const NOTHING: Causes = { message: "", stack: "" };

/** `ownTitle` gives the title of an error that is the product's own: such an error shows nothing else. */
export function causesOf(thrown: unknown, ownTitle: (error: object) => string | undefined = () => undefined): Causes {
  let shown = 0;

  const behind = (error: unknown, above: readonly unknown[]): Causes => {
    if (typeof error !== "object" || error === null) return NOTHING;
    const within = [...above, error];
    const cause = read(error, "cause");
    const errors = read(error, "errors");
    const ofCause = cause === undefined ? NOTHING : list("cause", [cause], within);
    const ofErrors = isArray(errors) && errors.length > 0 ? list("errors", errors, within) : NOTHING;
    return { message: ofCause.message + ofErrors.message, stack: ofCause.stack + ofErrors.stack };
  };

  const list = (label: string, values: readonly unknown[], above: readonly unknown[]): Causes => {
    const messages: string[] = [];
    let stack = "";
    for (let i = 0; i < values.length && above.length <= DEPTH_MAX && shown < SHOWN_MAX; i++) {
      shown += 1;
      const one = attempt(() => describe(values[i], above)) ?? same("a value that has no text");
      messages.push(one.message);
      stack += `\n  [${label}] ${one.stack.replaceAll("\n", "\n  ")}`;
    }
    const left = values.length - messages.length;
    if (left > 0) messages.push(`${left} more`);
    if (left > 0) stack += `\n  [${label}] ${left} more`;
    return { message: ` [${label}: ${messages.join("; ")}]`, stack };
  };

  const describe = (value: unknown, above: readonly unknown[]): Causes => {
    if (typeof value !== "object" || value === null) return same(textOf(value));
    const own = ownTitle(value);
    if (own !== undefined) return same(own);
    const stack = read(value, "stack");
    if (typeof stack !== "string" && !(value instanceof Error)) return same(textOf(value));
    if (above.includes(value)) return same("circular");
    const title = cut(titleOf(value), MESSAGE_LENGTH_MAX);
    const further = behind(value, above);
    const frames = typeof stack === "string" && stack !== "" ? cut(stack, STACK_LENGTH_MAX) : title;
    return { message: title + further.message, stack: frames + further.stack };
  };

  return attempt(() => behind(thrown, [])) ?? NOTHING;
}

/** Reads what may be hostile: undefined if it throws. */
export function attempt<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}

const same = (text: string): Causes => ({ message: text, stack: text });

const read = (value: object, name: string): unknown =>
  attempt(() => (value as Readonly<Record<string, unknown>>)[name]);

function titleOf(error: object): string {
  const [name, message] = [read(error, "name"), read(error, "message")];
  const parts = [name, message].filter((part) => typeof part === "string" && part !== "");
  return parts.length === 0 ? "an error without a message" : parts.join(": ");
}

/** A value that is no error: as JSON, if it has any. */
const textOf = (value: unknown): string => cut(attempt(() => stringify(value)) ?? toText(value), MESSAGE_LENGTH_MAX);

const cut = (text: string, length: number): string => (text.length > length ? `${text.slice(0, length)}…` : text);
