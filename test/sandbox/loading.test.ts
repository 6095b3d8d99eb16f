// What a bundle must be to be accepted, and what its author is told otherwise, on every side.

import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Script } from "node:vm";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { residentBytesOf } from "#bench/harness/processes.ts";
import { bundleFunction } from "#runtime/function/bundle.ts";
import { CODE_BYTES_MAX } from "#runtime/function/description.ts";
import { versionOf } from "#runtime/function/version.ts";
import { bundleOf, errorOf, SIDE_NAMES, startSide, type TestSide } from "../sides.ts";

/** With a source map of so many bytes, as a bundle of many sources has. */
const withMap = (bundle: string, bytes: number): string => {
  const map = Buffer.from(JSON.stringify({ version: 3, sources: [], mappings: "", x: "x".repeat(bytes) }));
  return `${bundle}//# sourceMappingURL=data:application/json;base64,${map.toString("base64")}`;
};

const cachedCode = (): Uint8Array => new Script("globalThis.made = () => 1;").createCachedData();

/** As much of one as a bundle may have. */
function snapshot(): Uint8Array {
  const folder = mkdtempSync(join(tmpdir(), "locus-snapshot-"));
  try {
    writeFileSync(join(folder, "made.js"), "globalThis.made = () => 1;");
    execFileSync(process.execPath, ["--snapshot-blob", "blob", "--build-snapshot", "made.js"], { cwd: folder });
    return readFileSync(join(folder, "blob")).subarray(0, CODE_BYTES_MAX);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function residentOf(side: TestSide): Promise<() => number> {
  const hosts = await side.hostPids();
  return () => residentBytesOf(hosts);
}

/** Promises at the top level of a bundle. */
declare const caught: Promise<string>;
declare const timer: Promise<Error>;

describe.each(SIDE_NAMES)("a bundle on %s", (name) => {
  let side: TestSide;
  beforeAll(async () => {
    side = await startSide(name);
  });
  afterAll(() => side.close());

  it.each([
    ["does not parse", "export default {", /SyntaxError/],
    ["throws while it loads", 'throw new Error("at load")', /at load/],
    ["exports nothing", "export const a = 1;", /default export/],
    ["exports no definition", "export default 42;", /defineFunction/],
    ["imports something", 'import "node:fs"; export default {};', /node:fs/],
    ["needs a global that is not there", "process.exit(1); export default {};", /process is not defined/],
    [
      "sets a timer at its top level",
      "setTimeout(() => {}, 1); export default {};",
      /setTimeout cannot be used at a module's top level: set the timer inside run/,
    ],
    [
      "promises at its top level what a timer is to bring",
      bundleOf(() => 1, { before: "const ready = new Promise((resolve) => setTimeout(resolve, 1));" }),
      /a promise was rejected at a module's top level and nobody handled it: Error: setTimeout cannot be used at a/,
    ],
    [
      "rejects a promise at its top level",
      bundleOf(() => 1, { before: "async function fail() { await null; throw new TypeError('no') } fail();" }),
      /a promise was rejected at a module's top level and nobody handled it: TypeError: no/,
    ],
    [
      "throws in a microtask at its top level",
      bundleOf(() => 1, { before: "queueMicrotask(() => { throw new TypeError('no'); });" }),
      /a promise was rejected at a module's top level and nobody handled it: TypeError: no/,
    ],
    [
      "has a name that cannot stand in a URL",
      'export default { kind: "locus.function", name: "A B", run() {} };',
      /name/,
    ],
    ["asks for more memory than there may be", bundleOf(() => 1, { limits: { memoryMb: 1e6 } }), /limits\.memoryMb/],
    [
      "has a schema with a typo",
      'export default { kind: "locus.function", name: "a", input: { requird: ["a"] }, run() {} };',
      /input\/requird is no keyword of JSON Schema/,
    ],
  ])("is refused when it %s", async (_what, bundle, message) => {
    await expect(side.deploy(bundle)).rejects.toThrow(message);
  });

  it("may handle what was rejected at its top level, and a call that meets it there fails by itself", async () => {
    const before = `const caught = Promise.reject(new Error("handled")).catch((error) => error.message);
      const timer = new Promise((resolve) => setTimeout(resolve, 1)).catch((error) => error);`;
    const handled = bundleOf(
      async () => {
        if ((await caught) === "handled") throw await timer;
      },
      { before },
    );
    const error = errorOf(await (await side.deploy(handled)).outcome());
    expect(error).toMatchObject({ code: "FUNCTION_FAILED" });
    expect(error.message).toContain("setTimeout cannot be used at a module's top level");
  });

  it.each([
    [
      "a pattern that is none",
      { input: { type: "object", properties: { "a/b": { type: "string", pattern: "(" } } } },
      "input/properties/a~1b/pattern: Invalid regular expression: /(/u: Unterminated group",
    ],
    [
      "a pattern for names that is none, and another within an extension",
      { output: { patternProperties: { "[": {} }, "x-own": { pattern: "*" }, allOf: [{ $ref: "#/x-own" }] } },
      "output/patternProperties: Invalid regular expression: /[/u: Unterminated character class; output/x-own/pattern: Invalid regular expression: /*/u: Nothing to repeat",
    ],
    [
      "a reference that leads nowhere",
      { output: { $ref: "#/$defs/none" } },
      'output/$ref is "#/$defs/none", leads nowhere',
    ],
  ])("is refused with the place when a schema has %s", async (_what, schemas, message) => {
    const definition = { kind: "locus.function", name: `schema-${name}`, ...schemas };
    const bundle = `export default { ...${JSON.stringify(definition)}, run() {} };`;
    await expect(side.deploy(bundle)).rejects.toThrow(message);
  });

  it.each([
    // Each is looked for among all of them.
    [
      "are many",
      { allOf: Array.from({ length: 1_900 }, (_, i) => ({ $anchor: `a${i}`, ...(i > 0 && { $ref: "#a0" }) })) },
    ],
    [
      "the validator follows for ever",
      { $id: "https://example.com/", items: { $id: "deeper/", items: { $ref: "#" } } },
    ],
  ])("is refused when a schema has references that %s, and others go on", async (_what, input) => {
    const neighbour = await side.deploy(bundleOf(() => "well"));
    const before = await side.hostPids();
    const definition = { kind: "locus.function", name: `slow-${name}`, input };
    const deploying = side.deploy(`export default { ...${JSON.stringify(definition)}, run() {} };`);
    const refused = deploying.then(
      () => "accepted",
      (error: Error) => error.message,
    );
    expect(await neighbour.result()).toBe("well");
    expect(await refused).toMatch(
      /still loading after 5000 ms, at its schemas|schemas cannot be used: input\S*: Maximum call stack size exceeded/,
    );
    expect(await side.hostPids()).toEqual(before);
    expect(await neighbour.result()).toBe("well");
  });

  it("is refused when it leaves its schemas no memory to be compiled in, and costs nobody the host", async () => {
    const before = await side.hostPids();
    const allOf = Array.from({ length: 1_000 }, (_, i) => ({ properties: { [`p${i}`]: { type: "string" } } }));
    const definition = { kind: "locus.function", name: `full-${name}`, input: { allOf } };
    const held = "globalThis.held = new Array(61 * 131_072).fill(1.5);";
    await expect(side.deploy(`${held} export default { ...${JSON.stringify(definition)}, run() {} };`)).rejects.toThrow(
      "its schemas need more memory to compile than it may have",
    );
    expect(await side.hostPids()).toEqual(before);
  });

  // Either would be machine code that V8 runs without a look.
  it.each([
    ["code that V8 has cached", cachedCode],
    ["a snapshot of V8's", snapshot],
  ])("is refused when it is %s", async (_what, make) => {
    const before = await side.hostPids();
    await expect(side.deploy(make())).rejects.toThrow(/SyntaxError: Invalid or unexpected token/);
    expect(await side.hostPids()).toEqual(before);
  });

  it.each([
    ["spins while it loads", "for (;;); export default {};"],
    ["awaits for ever while it loads", "await new Promise(() => {}); export default {};"],
    ["floods the microtask queue while it loads", "void (async () => { for (;;) await null; })(); export default {};"],
    [
      "spins while its definition is read",
      'export default { kind: "locus.function", name: "spins", toJSON() { for (;;); } };',
    ],
    [
      "throws what spins",
      "const spin = () => { for (;;); }; throw { get stack() { spin(); }, get message() { spin(); } };",
    ],
  ])("is refused when it %s", async (_what, bundle) => {
    await expect(side.deploy(bundle)).rejects.toThrow(/had not finished loading|still loading after 5000 ms/);
    const { result } = await side.deploy(bundleOf(() => "well"));
    expect(await result()).toBe("well");
  });

  it.each([
    [
      "does not parse",
      'const a = 1;\nexport default "open',
      "<function>:2:16: SyntaxError: Invalid or unexpected token",
    ],
    ["throws", 'const a = 1;\n  throw new Error("at load");', "<function>:2:9: Error: at load"],
    [
      "imports something",
      'const a = 1;\nimport "node:fs";',
      "<function>:2:8: it imports node:fs; a bundle imports nothing",
    ],
    [
      "throws what is no error",
      'throw { why: "full" };',
      'threw {"why":"full"}, which is no Error and so has no stack',
    ],
    [
      "needs a global that is not there",
      "const a = 1;\nrequire('fs');",
      "<function>:2:1: ReferenceError: require is not defined; use import: the bundle includes what a function imports",
    ],
    ["fills its memory", "const all = []; for (;;) all.push(new Array(1e5).fill(1));", /more memory/],
  ])("is refused with the place when it %s", async (_what, bundle, message) => {
    await expect(side.deploy(bundle)).rejects.toThrow(message);
  });

  it.each([
    [
      "throws",
      "const a: number = 1;\nconst setUp = () => {\n  throw new TypeError(`no ${a}`);\n};\nsetUp();",
      /own\.ts:4:9: TypeError: no 1$/,
    ],
    ["rejects what it awaits", 'await Promise.reject(new Error("later"));', /own\.ts:2:22: Error: later$/],
    ["throws in locus' own code", "defineFunction(null as never);", /own\.ts:2:1: TypeError: defineFunction needs/],
    ["awaits for ever", "await new Promise(() => {});", /own\.ts: it had not finished loading/],
    ["throws what is no error", 'throw "text";', /own\.ts: threw text, which is no Error/],
    ["has a name that cannot stand in a URL", "", /own\.ts: the function's definition cannot be used: name is "A b"/],
  ])("is refused with the author's file when it %s", async (_what, lines, message) => {
    const folder = mkdtempSync(join(tmpdir(), "locus-bundle-"));
    try {
      const file = join(folder, "own.ts");
      const [first, last] = [
        'import { defineFunction } from "locus/function";',
        'export default defineFunction({ name: "A b", run: () => 1 });',
      ];
      writeFileSync(file, [first, lines, last].join("\n"));
      await expect(side.deploy(Buffer.from(await bundleFunction(file)).toString())).rejects.toThrow(message);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it.each([
    ["its own code", "module", "null.gone;", /own\.ts: in node_modules\/broken\/index\.js:2:1: TypeError: Cannot read/],
    [
      "its CommonJS code",
      "commonjs",
      "null.gone;",
      /own\.ts:1:\d+: in node_modules\/broken\/index\.js:2:1: TypeError: /,
    ],
    [
      "a global that is missing",
      "module",
      "Buffer;",
      /own\.ts: in node_modules\/broken\/index\.js:2:1: ReferenceError: B/,
    ],
  ])("is refused with the package's line when a package fails at %s", async (_what, type, line, message) => {
    const folder = mkdtempSync(join(tmpdir(), "locus-bundle-"));
    try {
      const root = join(folder, "node_modules/broken");
      mkdirSync(root, { recursive: true });
      writeFileSync(join(root, "package.json"), JSON.stringify({ name: "broken", type }));
      writeFileSync(join(root, "index.js"), `const name = "broken";\n${line}\n`);
      const file = join(folder, "own.ts");
      writeFileSync(file, 'import "broken";\nexport default { kind: "locus.function", name: "own", run() {} };\n');
      await expect(side.deploy(Buffer.from(await bundleFunction(file)).toString())).rejects.toThrow(message);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it("names a package's file and line, and files as they are written, in stacks and logs", async () => {
    const folder = mkdtempSync(join(tmpdir(), "locus-bundle-"));
    try {
      const root = join(folder, "node_modules/strict");
      mkdirSync(root, { recursive: true });
      writeFileSync(
        join(root, "index.js"),
        "// A comment.\nexports.deep = (value) => {\n  return value.gone.gone;\n};\n",
      );
      const file = join(folder, "fün 100%.ts");
      const lines = [
        'import { defineFunction } from "locus/function";',
        'import { deep } from "strict";',
        "const logged = () => { try { deep({}); } catch (error) { console.error(error); } };",
        `export default defineFunction({ name: "stacks-${name}", run: () => { logged(); return deep({}); } });`,
      ];
      writeFileSync(file, lines.join("\n"));
      const { outcome } = await side.deploy(Buffer.from(await bundleFunction(file)).toString());
      const ended = await outcome({ logs: true });
      const frames = /node_modules\/strict\/index\.js:3:\d+\)?\n.*run.*\(fün 100%\.ts:4:\d+\)$/;
      expect(errorOf(ended).stack).toMatch(frames);
      expect(ended.logs.join("\n")).toMatch(/strict\/index\.js:3:\d+\)?\n.*logged \(fün 100%\.ts:3:\d+\)\n/);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it("may throw any amount of text while it loads", async () => {
    const before = await side.hostPids();
    await expect(side.deploy('throw new Error("x".repeat(5_000_000)); export default {};')).rejects.toThrow(
      /Error: x+/,
    );
    expect(await side.hostPids()).toEqual(before);
  });

  it("leaves nothing behind when it was only checked", async () => {
    const resident = await residentOf(side);
    const check = async (times: number): Promise<void> => {
      for (let i = 0; i < times; i++) {
        await side.deploy(
          withMap(
            bundleOf(() => 1),
            400_000,
          ),
        );
      }
    };
    await check(20);
    const before = resident();
    await check(60);
    await expect.poll(() => resident() - before).toBeLessThan(40 * 1024 * 1024);
  });

  it("leaves nothing behind when it filled its memory", async () => {
    const resident = await residentOf(side);
    const filling = withMap("const all = []; for (;;) all.push(new Array(1e5).fill(1)); export default {};", 700_000);
    // A host that gets no core for five seconds refuses it for its time, and must leave as little behind.
    const refuse = async (times: number): Promise<void> => {
      for (let i = 0; i < times; i++) await expect(side.deploy(filling)).rejects.toThrow(/more memory|still loading/);
    };
    await refuse(10);
    const before = resident();
    await refuse(30);
    // On a busy machine the last of them is still being disposed of.
    await expect.poll(() => resident() - before).toBeLessThan(12 * 1024 * 1024);
  });

  it.skipIf(name === "storage")("costs nobody the host when it spins among more than are checked at once", async () => {
    const before = await side.hostPids();
    const spinning = Array.from({ length: 6 }, () => side.deploy("for (;;); export default {};"));
    const refusals = (await Promise.allSettled(spinning)).map(
      (outcome) => "reason" in outcome && String(outcome.reason),
    );
    expect(refusals).toEqual(spinning.map(() => expect.stringContaining("still loading after 5000 ms")));
    expect(await side.hostPids()).toEqual(before);
  });

  it("has its content's hash as its version", async () => {
    const bundle = bundleOf(() => 1);
    const { description } = await side.deploy(bundle);
    expect(description.version).toBe(versionOf(Buffer.from(bundle)));
  });

  it("shows the author's file and line when it throws, and when it logs what was thrown", async () => {
    const folder = mkdtempSync(join(tmpdir(), "locus-bundle-"));
    try {
      const file = join(folder, "broken.ts");
      const lines = [
        'import { defineFunction } from "locus/function";',
        "interface Nothing { readonly a: number }",
        "const deep = (nothing: Nothing | null): number => {",
        "  return nothing!.a;",
        "};",
        "const logged = () => { try { deep(null); } catch (error) { console.error('caught', error); } };",
        `export default defineFunction({ name: "broken-${name}", run: () => { logged(); return deep(null); } });`,
      ];
      writeFileSync(file, lines.join("\n"));
      const { outcome } = await side.deploy(Buffer.from(await bundleFunction(file)).toString());
      const ended = await outcome({ logs: true });
      expect(ended.logs.join("\n")).toContain("broken.ts:4:");
      expect(ended.logs.join("\n")).not.toContain("<function>");
      const error = errorOf(ended);
      expect(error.message).toMatch(/TypeError: Cannot read properties of null/);
      expect(error.stack).toContain("broken.ts:4:");
      expect(error.stack).toContain("broken.ts:7:");
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it("is refused when it costs each host that checks it, and others go on", async () => {
    const neighbour = await side.deploy(
      bundleOf(
        async ({ redis }) => {
          for (let i = 0; i < 100; i++) {
            await redis.get("k");
            await new Promise((resolve) => setTimeout(resolve, 5));
          }
          return "well";
        },
        { limits: { deadlineMs: 60_000 } },
      ),
    );
    const neighbours = Promise.all([
      neighbour.result({ deadlineMs: 60_000 }),
      neighbour.result({ deadlineMs: 60_000 }),
    ]);
    // V8 gives up on this one, process and all.
    await expect(side.deploy('"x".repeat(5e8).split(""); export default {};')).rejects.toThrow(/host|memory/);
    expect(await neighbours).toEqual(["well", "well"]);
    expect(await neighbour.result()).toBe("well");
  });

  it.each([
    ["spins", "for (;;);", 1_000, ["DEADLINE_EXCEEDED"]],
    ["throws", 'throw new Error("not here");', 1_000, ["FUNCTION_INVALID", "SIDE_UNAVAILABLE", "FUNCTION_FAILED"]],
    ["costs its host", '"x".repeat(5e8).split("");', 30_000, ["SANDBOX_DIED", "MEMORY_LIMIT"]],
  ])(
    "that %s only when it has been accepted ends its calls, and nobody else's",
    async (_what, does, deadlineMs, codes) => {
      const neighbour = await side.deploy(bundleOf(() => "well"));
      let turnsAt = 0;
      const deploy = async (afterMs: number): ReturnType<TestSide["deploy"]> => {
        turnsAt = Date.now() + afterMs;
        const before = `if (Date.now() > ${turnsAt}) { ${does} }`;
        const bundle = bundleOf(() => "ran", { before, limits: { deadlineMs } });
        try {
          return await side.deploy(bundle);
        } catch (error) {
          // Checked too late, on a busy machine.
          if (afterMs > 30_000) throw error;
          return deploy(afterMs * 3);
        }
      };
      const { outcome } = await deploy(500);
      await expect.poll(() => Date.now(), { timeout: 60_000 }).toBeGreaterThan(turnsAt);
      const calls = await Promise.all(Array.from({ length: 3 }, () => outcome({ deadlineMs })));
      for (const ended of calls) expect(codes).toContain(errorOf(ended).code);
      await expect.poll(() => side.inFlight()).toBe(0);
      expect(await neighbour.result()).toBe("well");
    },
  );
});
