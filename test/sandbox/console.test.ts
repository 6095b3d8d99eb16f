// `console` and `log` show the same on every side and in an instance that is a process: what Node's console shows.

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Invocation } from "#runtime/function/define.ts";
import { AgentDriver } from "#scheduler/driver/agent-driver.ts";
import { ProcessLauncher } from "#scheduler/driver/process-launcher.ts";
import { specOf } from "../scheduler/driver-contract.ts";
import { callOf, imageOf } from "../scheduler/driver-fixture.ts";
import { bundleOf, SIDE_NAMES, startSide } from "../sides.ts";

function show({ log }: Invocation): void {
  const cycle: Record<string, unknown> = { list: [NaN, -0, 10n] };
  cycle["self"] = cycle;
  log.info("%s has %d of %o", "a", "2", [1]);
  log.warn("shows", new Map([["k", new Set([/x/g, new Date(0)])]]), Symbol("s"));
  console.log(cycle, Uint8Array.of(1), { a: { b: { c: {} } }, get d() { return 1; } }); // prettier-ignore
  console.group("group");
  console.error(Array.from({ length: 101 }, (_, i) => i).slice(0, 8));
  console.groupEnd();
  console.count();
  console.count();
  console.assert(false, "no");
  console.dir({ a: { b: 1 } }, { depth: 0 });
  console.table([{ a: 1 }]);
  console.timeEnd("none");
  const error = new Error("outer", { cause: new TypeError("inner") });
  console.debug({ error });
  console.trace("here");
  // It is left open: the next call's lines are not indented for that.
  console.group();
}

const frames = String.raw`(?:\n +at [^\n]*)+`;
const LINES = [
  "a has 2 of [ 1, [length]: 1 ]",
  "warn: shows Map(1) { 'k' => Set(2) { /x/g, 1970-01-01T00:00:00.000Z } } Symbol(s)",
  "<ref *1> { list: [ NaN, -0, 10n ], self: [Circular *1] } Uint8Array(1) [ 1 ] { a: { b: { c: {} } }, d: [Getter] }",
  "group",
  "error:   [\n    0, 1, 2, 3,\n    4, 5, 6, 7\n  ]",
  "default: 1",
  "default: 2",
  "warn: Assertion failed: no",
  "{ a: [Object] }",
  "┌─────────┬───┐\n│ (index) │ a │\n├─────────┼───┤\n│ 0       │ 1 │\n└─────────┴───┘",
  "warn: No such label 'none' for console.timeEnd()",
  expect.stringMatching(
    new RegExp(
      String.raw`^debug: \{\n  error: Error: outer${frames} \{\n    \[cause\]: TypeError: inner${frames}\n  \}\n\}$`,
    ),
  ),
  expect.stringMatching(new RegExp(`^debug: Trace: here${frames}$`)),
];
/** Counts go on. */
const SECOND_LINES = LINES.map((line) =>
  typeof line === "string" ? line.replace(/^default: (\d)/, (_, n) => `default: ${Number(n) + 2}`) : (line as unknown),
);

describe.each(SIDE_NAMES)("the console on %s", (name) => {
  let side: Awaited<ReturnType<typeof startSide>>;
  beforeAll(async () => {
    side = await startSide(name);
  });
  afterAll(() => side.close());

  it("shows what Node's shows", async () => {
    const { outcome } = await side.deploy(bundleOf(show));
    expect((await outcome({ logs: true })).logs).toEqual(LINES);
    expect((await outcome({ logs: true })).logs).toEqual(SECOND_LINES);
  });
});

describe("the console in a process", () => {
  const driver = new AgentDriver(new ProcessLauncher({ data: null, cgroups: null, onLog: () => {} }));
  afterAll(() => driver.close());

  it("shows what Node's shows", async () => {
    const spec = specOf({ image: imageOf(show) });
    await driver.start(spec);
    const call = { ...callOf(), logs: true };
    expect((await driver.invoke(spec.id, call)).logs).toEqual(LINES);
    expect((await driver.invoke(spec.id, call)).logs).toEqual(SECOND_LINES);
    await driver.stop(spec.id);
  });
});
