import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { describe, expect, it, vi } from "vitest";

import { loadLocalFunction } from "./local-function.ts";

describe("loadLocalFunction", () => {
  it("loads a sample by its name, and a file by its path", async () => {
    expect((await loadLocalFunction("empty")).name).toBe("empty");
    const path = new URL("../../functions/khop.ts", import.meta.url).pathname;
    expect((await loadLocalFunction(path)).name).toBe("khop");
  });

  it("resolves what a function imports wherever its file lies, and finds nothing to warn of", async () => {
    const folder = mkdtempSync(join(tmpdir(), "locus-function-"));
    const warned = vi.spyOn(process, "emitWarning");
    try {
      const source = `import { defineFunction } from "locus/function";
        import { Type } from "typebox";
        export default defineFunction({ name: "far", input: Type.Object({}), run: () => 1 });`;
      writeFileSync(join(folder, "far.ts"), source);
      writeFileSync(join(folder, "broken.ts"), `throw new Error("on purpose");\nexport default 1;`);
      expect((await loadLocalFunction(join(folder, "far.ts"))).name).toBe("far");
      await expect(loadLocalFunction(join(folder, "broken.ts"))).rejects.toMatchObject({
        code: "FUNCTION_INVALID",
        message: expect.stringMatching(/broken\.ts throws while it is loaded: Error: on purpose$/),
      });
      expect(warned).not.toHaveBeenCalled();
    } finally {
      warned.mockRestore();
      rmSync(folder, { recursive: true });
    }
  });

  it("says which line of a package failed while it was loaded", async () => {
    const folder = mkdtempSync(join(tmpdir(), "locus-function-"));
    try {
      mkdirSync(join(folder, "node_modules/broken"), { recursive: true });
      writeFileSync(join(folder, "node_modules/broken/index.js"), `const one = 1;\nthrow new Error("on purpose");`);
      writeFileSync(join(folder, "own.ts"), `import "broken";\nexport default 1;`);
      await expect(loadLocalFunction(join(folder, "own.ts"))).rejects.toMatchObject({
        message: expect.stringMatching(/own\.ts throws while .* Error: on purpose at .*broken\/index\.js:2:\d+/),
      });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it("says what is not there, and what is no function", async () => {
    await expect(loadLocalFunction("nobody")).rejects.toMatchObject({
      code: "REQUEST_INVALID",
      message: expect.stringMatching(/no file nobody, .*; there are aggregate, chain, .*khop/),
    });
    await expect(loadLocalFunction("kop")).rejects.toMatchObject({
      remedy: expect.stringMatching(/^Did you mean khop\? /),
    });
    await expect(loadLocalFunction(new URL("./summary.ts", import.meta.url).pathname)).rejects.toMatchObject({
      code: "FUNCTION_INVALID",
      remedy: expect.not.stringContaining("deploy"),
    });
    // In the folder that this runs in.
    await expect(loadLocalFunction("README.md")).rejects.toThrow(/README\.md is no source of a function/);
    await expect(loadLocalFunction("runtime")).rejects.toMatchObject({
      code: "REQUEST_INVALID",
      message: expect.stringMatching(/\/runtime is a folder: name the file of a function$/),
    });
  });
});
