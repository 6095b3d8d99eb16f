// What people say of one function, as the body of a PUT: a small JSON object of which all members are known.

import type { FastifyInstance } from "fastify";

import { LocusError } from "#runtime/errors.ts";
import { textBody } from "./body.ts";

export const RULE_TYPE = "application/json";
const RULE_BYTES_MAX = 4_096;

export const takeRuleBodies = (app: FastifyInstance): void => {
  app.addContentTypeParser(RULE_TYPE, textBody({ bytesMax: RULE_BYTES_MAX, tooLarge: "ARGS_TOO_LARGE" }));
};

/** The members by name, each of which may be missing, and any JSON. Throws REQUEST_INVALID; `example` says what would do. */
export function ruleMembers<Name extends string>(
  text: string,
  names: readonly Name[],
  example: string,
): Readonly<Partial<Record<Name, unknown>>> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new LocusError("REQUEST_INVALID", `the body is no JSON: ${(error as Error).message}`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new LocusError("REQUEST_INVALID", `the body is no object such as ${example}`);
  }
  const known: readonly string[] = names;
  for (const name in value) {
    if (known.includes(name)) continue;
    const told = `${known.slice(0, -1).join(", ")} and ${known.at(-1)}`;
    throw new LocusError("REQUEST_INVALID", `the body has a member "${name}"; ${told} are known`);
  }
  return value as Readonly<Partial<Record<Name, unknown>>>;
}
