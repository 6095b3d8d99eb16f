// The command table as everything else reads it: one row per command, in a fixed order, and the guest's methods.

import type { AllowedCommand, Reason, ReplyShape } from "./command-rule.ts";
import { ALLOWED, REFUSED } from "./command-table.ts";

/** One row of the table. */
export type CommandRow =
  | ({ readonly standing: "allowed" } & AllowedCommand)
  | { readonly standing: "refused"; readonly name: string; readonly reason: Reason }
  /** Some of its subcommands are allowed: they have rows of their own. */
  | { readonly standing: "container"; readonly name: string };

type AllowedName = (typeof ALLOWED)[keyof typeof ALLOWED][number]["name"];
/** The names of the guest's methods: a command's, or its container's. */
export type MethodName = AllowedName extends infer Name
  ? Name extends `${infer Container}|${string}`
    ? Container
    : Name
  : never;

const allowed: readonly AllowedCommand[] = Object.values(ALLOWED).flat();
const methodOf = (name: string): string => name.split("|", 1)[0] ?? name;

/** All rows in order of name. A row's place is its index, by which the C++ table refers to it. */
export const COMMAND_ROWS: readonly CommandRow[] = [
  ...allowed.map((command): CommandRow => ({ standing: "allowed", ...command })),
  ...Object.entries(REFUSED).flatMap(([reason, names]) =>
    names.map((name): CommandRow => ({ standing: "refused", name, reason: reason as Reason })),
  ),
  ...new Set(allowed.filter(({ name }) => name.includes("|")).map(({ name }) => methodOf(name)))
    .values()
    .map((name): CommandRow => ({ standing: "container", name })),
].toSorted((a, b) => (a.name < b.name ? -1 : 1));

/**
 * Methods that only refuse, so that who looks for one learns why there is none. They reject, and throw where client
 * libraries return something other than a promise: what is chained on it would hide the reason.
 */
export const REFUSED_METHODS: readonly { readonly name: string; readonly throws: boolean }[] = COMMAND_ROWS.flatMap(
  (row) =>
    row.standing === "refused" && !row.name.includes("|") ? [{ name: row.name, throws: row.reason === "chained" }] : [],
);

/** A method of the guest's `redis`, with the shape of its reply (a container's: `plain`). */
export interface GuestMethod {
  readonly name: string;
  readonly shape: ReplyShape;
}

/** The methods of the guest's `redis`, `call` and the `…Buffer` forms not counted. */
export const GUEST_METHODS: readonly GuestMethod[] = COMMAND_ROWS.flatMap((row): GuestMethod[] => {
  if (row.standing === "refused" || row.name.includes("|")) return [];
  return [{ name: row.name, shape: row.standing === "allowed" ? row.shape : "plain" }];
});
