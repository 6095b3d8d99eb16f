// The native parts that several threads or processes share (runtime/native/test), under the sanitizers: ThreadSanitizer where
// everybody keeps to the rules, AddressSanitizer where somebody does not.

import { spawnSync } from "node:child_process";
import { beforeAll, expect, test } from "vitest";

import { buildSanitized, type Sanitizer, SANITIZED_BUILD_TIMEOUT_MS, WATCHED } from "#test/sanitized-build.ts";
import { scriptedHostProgram } from "../storage-module/scripted-host.ts";

let host: string;
beforeAll(() => {
  host = scriptedHostProgram();
}, SANITIZED_BUILD_TIMEOUT_MS);

function complaint(sanitizer: Sanitizer, name: string, ...args: readonly string[]): string {
  const [program = ""] = buildSanitized(sanitizer, [`test/${name}`]);
  const { status, signal, stderr } = spawnSync(program, args, { encoding: "utf8" });
  return status === 0 && stderr === "" ? "" : `ended with ${status ?? signal}:\n${stderr}`;
}

test("what is written on a ring by one thread is read by another, in order", WATCHED, () => {
  expect(complaint("thread", "ring_test", "honest")).toBe("");
});

test("a ring whose bytes and positions change all the time breaks, and nothing else does", WATCHED, () => {
  expect(complaint("address", "ring_test", "liar")).toBe("");
});

test("what the read cache has is found by its reader until it changes, grows old or makes room", WATCHED, () => {
  expect(complaint("address", "read_cache_test", "rules")).toBe("");
});

test(
  "while replies are put in and forgotten, none is found that was forgotten before, nor half of one",
  WATCHED,
  () => {
    expect(complaint("thread", "read_cache_test", "together")).toBe("");
  },
);

test("a read cache whose bytes change all the time is read within its bounds", WATCHED, () => {
  expect(complaint("address", "read_cache_test", "liar")).toBe("");
});

test.each(["thread", "address"] as const)(
  "isolates that share connections get each their own replies, whichever breaks and whoever reads (%s)",
  WATCHED,
  (sanitizer) => {
    expect(complaint(sanitizer, "socket_channel_test")).toBe("");
  },
);

test.each(["thread", "address"] as const)(
  "a supervisor keeps as many isolates as it was told, whoever calls and dies (%s)",
  WATCHED,
  (sanitizer) => {
    expect(complaint(sanitizer, "bounds_test", host)).toBe("");
  },
);

test.each(["thread", "address"] as const)(
  "a supervisor answers every call once, whoever calls, cancels and dies (%s)",
  WATCHED,
  (sanitizer) => {
    expect(complaint(sanitizer, "supervisor_test", host)).toBe("");
  },
);
