// The vocabulary of the method signatures in this folder. Each family of commands is an interface over `Text`, which
// is `string` in a method's plain form and `Uint8Array` in its `…Buffer` form: one signature, both forms.

/** A key: text, or bytes where the name is no UTF-8. A key that begins with `locus:` is refused. */
export type Key = string | Uint8Array;

/** What is sent: text as UTF-8, bytes as they are, a number as its decimal text. */
export type Value = string | Uint8Array | number;

/** Several, one by one or as a list: `del("a", "b")` is `del(["a", "b"])`. */
export type Many<T> = (T | readonly T[])[];

/** Field–value pairs as an object or a map, where a command takes pairs. */
export type Pairs = Readonly<Record<string, Value>> | ReadonlyMap<Value, Value>;

/** The status reply. */
export type Ok<Text> = Text extends string ? "OK" : Text;

/** A page of a scan: hand the cursor to the next call until it is "0". */
export type Page<Text> = [cursor: Text, items: Text[]];

/** What EXPIRE and its kin may be bound to. */
export type ExpireCondition = "NX" | "XX" | "GT" | "LT";

/** One end of a range by score: a number, "(" and a number (exclusive), "-inf", "+inf". */
export type Score = number | string;

/** A stream entry: its id, and its fields and values in turn. */
export type StreamEntry<Text> = [id: Text, fields: Text[]];
