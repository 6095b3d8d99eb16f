// The language of the command table: what one row can say. A row is data, so that the very same rules are enforced in
// TypeScript (`refusal.ts`) and in C++ (`runtime/native/command_table.cc`, from the generated table).

/** `read` only where the command can never change the dataset or how a key is kept; anything doubtful is a `write`. */
type Access = "read" | "write";

/**
 * How a reply becomes a value, after ioredis' reply transformers under RESP3:
 * `plain`: as decoded; `object`: fields and values in turn become an object; `pairs`: arrays inside the array are
 * flattened, one level; `streams`: streams and their entries in turn become `[stream, entries]` lists.
 */
export type ReplyShape = "plain" | "object" | "pairs" | "streams";

/** Why an operation is refused, as its message says it. */
export const REASONS = {
  unknown: "not a command that functions may call",
  blocks: "functions may not block",
  connection: "functions may not change their connection",
  transaction: "functions have no transactions",
  chained:
    "functions have no transactions and no pipelines; what is issued together, as by Promise.all, shares a round",
  script: "functions may not run scripts",
  server: "functions may not administer the server or look into it",
  database: "functions stay in their own database",
  serialized: "functions may not hand Redis serialized values, which it trusts",
  key: "keys that begin with locus: are locus' own",
  pattern: "the pattern could name a key that begins with locus:",
  channel: "channels that begin with locus: are locus' own",
  option: "not an option that functions may use",
} as const;

/** Behind every reason: where an author finds what there is instead. */
export const REFUSAL_HINT = "; see docs/commands.md";

export type Reason = keyof typeof REASONS;

/**
 * What one argument position, or one option, may hold. Positions count from the command's name, which is 0. A token is
 * compared without regard to case and up to a NUL byte, since Redis compares C strings.
 *
 * - `keys`: keys at `first`, `first + step`, … `last`; a negative `last` counts from the end (-1: the last argument).
 * - `counted`: the argument at `at` is the number of keys that follow it. If it is no plain decimal, or passes the
 *   end, everything after it counts as a key (Redis refuses such a call anyway).
 * - `streams`: the options of XREAD and XREADGROUP (COUNT n, GROUP group consumer, NOACK) up to STREAMS, then as many
 *   keys as ids. BLOCK is refused, and so is an option of a newer server that could move the keys.
 * - `after`: whatever follows the token anywhere from position `from` on is a key or a pattern. Looking everywhere,
 *   instead of following Redis' parser, can take an argument too many for a key, but never one too few.
 * - `forbidden`: the token itself, anywhere from position `from` on.
 * - `channel`: the argument at `at` is a pub/sub channel.
 *
 * A pattern (SORT's BY and GET) names keys that only Redis sees: `*` in it stands for an element, which the function
 * may have written. So it is refused if the text before its first `*` begins with `locus:` or is a beginning of it,
 * the empty text included; without a `*` it is held to the rule for keys.
 */
export type ArgumentRule =
  | { readonly kind: "keys"; readonly first: number; readonly last: number; readonly step: number }
  | { readonly kind: "counted"; readonly at: number }
  | { readonly kind: "streams" }
  | { readonly kind: "after"; readonly token: string; readonly from: number; readonly takes: "key" | "pattern" }
  | { readonly kind: "forbidden"; readonly token: string; readonly from: number; readonly reason: Reason }
  | { readonly kind: "channel"; readonly at: number };

/** Rules of one row, at most: the C++ row has a fixed array of them. */
export const RULES_MAX = 4;

/** A command that functions may call; `name` is in lower case, a container's subcommand is "container|subcommand". */
export interface AllowedCommand<Name extends string = string> {
  readonly name: Name;
  readonly access: Access;
  /** Arguments with the name, as Redis counts them: -n is "n or more". Redis itself checks it. */
  readonly arity: number;
  readonly rules: readonly ArgumentRule[];
  readonly shape: ReplyShape;
}
