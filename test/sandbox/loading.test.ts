// What a bundle must be to be accepted, and what its author is told otherwise, on every side.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bundleFunction } from "#runtime/function/bundle.ts";
import { versionOf } from "#runtime/function/version.ts";
import { bundleOf, errorOf, SIDE_NAMES, startSide, type TestSide } from "../sides.ts";

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
      "has a name that cannot stand in a URL",
      'export default { kind: "locus.function", name: "A B", run() {} };',
      /name/,
    ],
    ["asks for more memory than there may be", bundleOf(() => 1, { limits: { memoryMb: 1e6 } }), /limits\.memoryMb/],
  ])("is refused when it %s", async (_what, bundle, message) => {
    await expect(side.deploy(bundle)).rejects.toThrow(message);
  });

  it.each([
    ["spins while it loads", "for (;;); export default {};"],
    ["awaits for ever while it loads", "await new Promise(() => {}); export default {};"],
  ])("is refused when it %s", async (_what, bundle) => {
    await expect(side.deploy(bundle)).rejects.toThrow(/had not finished loading|not loaded after|sandbox host/);
    const { result } = await side.deploy(bundleOf(() => "well"));
    expect(await result()).toBe("well");
  });

  it("may throw any amount of text while it loads", async () => {
    const before = await side.hostPids();
    await expect(side.deploy('throw new Error("x".repeat(5_000_000)); export default {};')).rejects.toThrow(
      /Error: x+/,
    );
    expect(await side.hostPids()).toEqual(before);
  });

  it("leaves nothing behind when it was only checked", async () => {
    const [pid] = await side.hostPids();
    const resident = (): number => Number(readFileSync(`/proc/${pid}/statm`, "utf8").split(" ")[1]) * 4096;
    // A map of half a megabyte, as a bundle of many sources has.
    const map = Buffer.from(JSON.stringify({ version: 3, sources: [], mappings: "", x: "x".repeat(400_000) }));
    const check = async (times: number): Promise<void> => {
      for (let i = 0; i < times; i++) {
        await side.deploy(
          `${bundleOf(() => 1)}//# sourceMappingURL=data:application/json;base64,${map.toString("base64")}`,
        );
      }
    };
    await check(20);
    const before = resident();
    await check(60);
    expect(resident() - before).toBeLessThan(40 * 1024 * 1024);
  });

  it("has its content's hash as its version", async () => {
    const bundle = bundleOf(() => 1);
    const { description } = await side.deploy(bundle);
    expect(description.version).toBe(versionOf(Buffer.from(bundle)));
  });

  it("shows the author's file and line when it throws", async () => {
    const folder = mkdtempSync(join(tmpdir(), "locus-bundle-"));
    try {
      const file = join(folder, "broken.ts");
      const lines = [
        'import { defineFunction } from "locus/function";',
        "interface Nothing { readonly a: number }",
        "const deep = (nothing: Nothing | null): number => {",
        "  return nothing!.a;",
        "};",
        `export default defineFunction({ name: "broken-${name}", run: () => deep(null) });`,
      ];
      writeFileSync(file, lines.join("\n"));
      const { outcome } = await side.deploy(Buffer.from(await bundleFunction(file)).toString());
      const error = errorOf(await outcome());
      expect(error.message).toMatch(/TypeError: Cannot read properties of null/);
      expect(error.stack).toContain("broken.ts:4:");
      expect(error.stack).toContain("broken.ts:6:");
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
