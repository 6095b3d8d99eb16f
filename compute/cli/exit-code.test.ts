import { expect, it } from "vitest";

import type { ErrorCode } from "#runtime/errors.ts";
import { EXIT, exitCodeOfCodes } from "./exit-code.ts";

it.each<[readonly ErrorCode[], number]>([
  [[], EXIT.ok],
  [["FUNCTION_FAILED", "DEADLINE_EXCEEDED"], EXIT.failed],
  [["REDIS_UNAVAILABLE"], EXIT.unreachable],
  [["REDIS_UNAVAILABLE", "NODE_UNAVAILABLE"], EXIT.unreachable],
  [["REDIS_UNAVAILABLE", "FUNCTION_FAILED"], EXIT.failed],
  [["CONFIG_INVALID"], EXIT.usage],
])("of calls that failed with %j gives what they have in common: %i", (codes, exitCode) => {
  expect(exitCodeOfCodes(codes)).toBe(exitCode);
});
