// The tables of TypeScript as C++ reads them: texts of the files under `build/generated`, which the build writes
// (`main-generate.ts`).

import { ERRORS } from "#runtime/errors.ts";
import { COMMAND_ROWS, type CommandRow } from "./command-rows.ts";
import { REASONS, type ArgumentRule, type Reason } from "./command-rule.ts";

/** `LOCUS_ERROR(CODE, "REDISPREFIX", retry)` per error code; a code's number in C++ is its place, from 1 (0 is ok). */
export function errorCodesInc(): string {
  const lines = Object.entries(ERRORS).map(
    ([code, { redis, retry }]) => `LOCUS_ERROR(${code}, ${quoted(redis)}, ${retry ? 1 : 0})`,
  );
  return text("runtime/errors.ts", lines);
}

/**
 * `LOCUS_REASON(name, "text")` per reason, then per row, in the order of its index,
 * `LOCUS_COMMAND("name", container bytes, standing, access, shape, reason, arity, rules…)`, each rule
 * `LOCUS_RULE(kind, reason, first, last, step, "token")`. Whoever includes it defines one of the two.
 */
export function commandTableInc(): string {
  return text("runtime/channel/command-table.ts", [
    "#ifdef LOCUS_REASON",
    ...Object.entries(REASONS).map(([reason, meaning]) => `LOCUS_REASON(${constant(reason)}, ${quoted(meaning)})`),
    "#endif",
    "#ifdef LOCUS_COMMAND",
    ...COMMAND_ROWS.map((row) => `LOCUS_COMMAND(${[...rowFields(row), ...ruleFields(row)].join(", ")})`),
    "#endif",
  ]);
}

function rowFields(row: CommandRow): (string | number)[] {
  const name = [quoted(row.name), Math.max(row.name.indexOf("|"), 0), constant(row.standing)];
  if (row.standing === "allowed") {
    return [...name, constant(row.access), constant(row.shape), constant("unknown"), row.arity];
  }
  const reason = row.standing === "refused" ? row.reason : "unknown";
  return [...name, constant("write"), constant("plain"), constant(reason), 0];
}

const ruleFields = (row: CommandRow): string[] => (row.standing === "allowed" ? row.rules.map(ruleField) : []);

/** Fields that a kind has no use for are zero. */
function ruleField(rule: ArgumentRule): string {
  const fields = { reason: "key" as Reason, first: 0, last: 0, step: 0, token: "" };
  switch (rule.kind) {
    case "keys":
      Object.assign(fields, { first: rule.first, last: rule.last, step: rule.step });
      break;
    case "counted":
      fields.first = rule.at;
      break;
    case "streams":
      break;
    case "after":
      Object.assign(fields, { reason: rule.takes, first: rule.from, token: rule.token });
      break;
    case "forbidden":
      Object.assign(fields, { reason: rule.reason, first: rule.from, token: rule.token });
      break;
    case "channel":
      Object.assign(fields, { reason: "channel", first: rule.at });
      break;
  }
  const { reason, first, last, step, token } = fields;
  return `LOCUS_RULE(${constant(rule.kind)}, ${constant(reason)}, ${first}, ${last}, ${step}, ${quoted(token)})`;
}

const constant = (name: string): string => `k${name.slice(0, 1).toUpperCase()}${name.slice(1)}`;
const quoted = (content: string): string => JSON.stringify(content);
const text = (source: string, lines: readonly string[]): string =>
  [`// Generated from ${source} by runtime/channel/main-generate.ts.`, ...lines, ""].join("\n");
