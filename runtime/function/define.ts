// What the author of a function writes against, exported as `locus/function`. It is bundled into every function and runs
// in a bare isolate: types, which cost nothing, and a little code that needs only the language.

import type { Static, TSchema } from "typebox";
import type { GuestRedis } from "#runtime/channel/guest-redis.ts";
import type { Side } from "#runtime/profile/sample.ts";
import type { Limits } from "./description.ts";

export type { GuestRedis };

/** Lines for the process log, and for the reply where its caller asks for them. Values are shown as by Node's console. */
export interface Log {
  debug(message: string, ...values: readonly unknown[]): void;
  info(message: string, ...values: readonly unknown[]): void;
  warn(message: string, ...values: readonly unknown[]): void;
  error(message: string, ...values: readonly unknown[]): void;
}

/** What `run` gets: one call, seen from inside. */
export interface Invocation<Args = unknown> {
  readonly redis: GuestRedis;
  /** The caller's JSON; `null` where the caller sent nothing. Already checked where the function has an `input` schema. */
  readonly args: Args;
  /** The Redis keys that the caller declared. */
  readonly keys: readonly string[];
  readonly log: Log;
}

/** What an author gives to `defineFunction`, without the schemas. */
interface Draft<Args, Result> {
  /** Lower-case letters, digits, `_` and `-`, a letter first, at most 64: what stands in URLs and after LOCUS.CALL. */
  readonly name: string;
  /** Where calls run that ask for no side, until locus knows them well enough to choose. */
  readonly side?: Side;
  /** Each has a default; docs/functions.md names defaults and ranges. */
  readonly limits?: Partial<Limits>;
  /** Returns the reply as JSON data; what it throws becomes FUNCTION_FAILED, with the author's file and line. */
  run(this: void, invocation: Invocation<Args>): Result | Promise<Result>;
}

/** A function as its bundle exports it by default. */
export interface FunctionDefinition<Args = unknown, Result = unknown> extends Draft<Args, Result> {
  readonly kind: "locus.function";
  /** JSON Schema of `args`. */
  readonly input?: TSchema;
  /** JSON Schema of the result. */
  readonly output?: TSchema;
}

/**
 * Defines a function; its bundle's default export. With an `input` schema (JSON Schema written out, or typebox) `args` has
 * the schema's type; without one, annotate: `run({ args }: Invocation<{ id: string }>)`.
 * Throws TypeError where there is nothing to run; all else is checked when the bundle is deployed.
 */
export function defineFunction<
  const Input extends TSchema,
  const Output extends TSchema,
  Result extends Static<Output>,
>(
  draft: Draft<Static<Input>, Result> & { readonly input: Input; readonly output?: Output },
): FunctionDefinition<Static<Input>, Result>;
export function defineFunction<Args, const Output extends TSchema, Result extends Static<Output>>(
  draft: Draft<Args, Result> & { readonly input?: undefined; readonly output?: Output },
): FunctionDefinition<Args, Result>;
export function defineFunction(draft: Draft<never, unknown>): FunctionDefinition<never> {
  if (typeof draft?.run !== "function") {
    throw new TypeError("defineFunction needs an object with a name and a run method");
  }
  return Object.freeze({ ...draft, kind: "locus.function" });
}

/** Characters of a CallerError's data as JSON. */
const DATA_LENGTH_MAX = 15 * 1024;

/**
 * Refuses the call: thrown by `run`, it reaches the caller as CALL_REFUSED, with its message, its HTTP status and its data. It is the
 * caller's mistake, so it is not counted as a failure of the function.
 *
 *     if (user === null) throw new CallerError(404, "there is no such user", { user: args.user });
 *
 * Throws RangeError if `status` is no integer from 400 to 499 or the JSON of `data` has more than 15 Ki characters, and TypeError
 * if JSON cannot show it.
 */
export class CallerError extends Error {
  override readonly name = "CallerError";
  readonly kind = "locus.callerError";
  readonly status: number;
  readonly data: unknown;

  constructor(status: number, message: string, data?: unknown) {
    super(message);
    if (!Number.isInteger(status) || status < 400 || status > 499) {
      throw new RangeError(`the status of a CallerError must be an integer from 400 to 499, got ${status}`);
    }
    if ((JSON.stringify(data) ?? "").length > DATA_LENGTH_MAX) {
      throw new RangeError(`the data of a CallerError may have at most ${DATA_LENGTH_MAX} characters of JSON`);
    }
    this.status = status;
    this.data = data;
  }
}

/** What `memoizePerKey` keeps unless told otherwise. */
const CHARACTERS_MAX = 1024 * 1024;
/** What an entry counts for beside its texts, in characters. */
const ENTRY_CHARACTERS = 64;

/**
 * Makes something of a key's value, and keeps it for as long as the same is read there: to parse a small JSON value takes several times as
 * long as to read it beside Redis.
 *
 *     const rowOf = memoizePerKey((value) => JSON.parse(value) as Row);
 *     … rowOf(key, await redis.get(key)) …
 *
 * Belongs outside `run`: it remembers from one call to the next, within one isolate. What it gives is shared by all who ask, so nobody
 * may change it. `make` goes by the value alone, at once; what it throws is thrown, and nothing is kept.
 *
 * Kept are at most `charactersMax` characters of keys and values, an entry counting for 64 more than its texts, 1 Mi unless told otherwise. Up to
 * half of that stays whatever was asked for last; what alone comes to more is made anew each time. What `make` gives is not counted: with it values of short texts
 * and small objects come to two to four bytes a character in all, and lists of empty ones to 17. All of it counts for the function's `memoryMb`.
 * The value is the text that was asked for last: where that is a part of a larger one (`slice`), V8 keeps the larger one for as long, uncounted.
 * Throws RangeError where `charactersMax` is less than 0, or no number.
 */
export function memoizePerKey<T>(
  make: (value: string) => T,
  { charactersMax = CHARACTERS_MAX }: { readonly charactersMax?: number } = {},
): (key: string, value: string) => T {
  if (!(charactersMax >= 0)) throw new RangeError(`charactersMax is a number from 0 on, not ${charactersMax}`);
  interface Entry {
    value: string;
    readonly made: T;
  }
  // Once what was asked for lately is half of what may be kept, it becomes what was asked for before, and that is forgotten.
  let lately = new Map<string, Entry>();
  let before = new Map<string, Entry>();
  let characters = 0;
  const charactersOf = (key: string, { value }: Entry): number => key.length + value.length + ENTRY_CHARACTERS;

  return (key, value) => {
    const known = lately.get(key);
    if (known?.value === value) {
      // Texts that are alike are compared to their ends, and one with itself at once: the next is likely to be this one again.
      known.value = value;
      return known.made;
    }
    const older = before.get(key);
    const entry = older?.value === value ? older : { value, made: make(value) };

    const more = charactersOf(key, entry);
    if (more > charactersMax / 2) return entry.made;
    if (known !== undefined) {
      lately.delete(key);
      characters -= charactersOf(key, known);
    }
    if (characters + more > charactersMax / 2) {
      before = lately;
      lately = new Map();
      characters = 0;
    }
    lately.set(key, entry);
    characters += more;
    return entry.made;
  };
}
