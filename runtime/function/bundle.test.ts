import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { bundleFunction } from "./bundle.ts";
import { checkBundleBytes } from "./source-map.ts";
import { versionOf } from "./version.ts";

const MIB = 1024 * 1024;

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "locus-bundle-"));
});
afterEach(() => rm(folder, { recursive: true }));

/** Bundles this text as a file outside the repository, where an author's lies. */
async function bundleText(source: string, name = "mine.ts"): Promise<string> {
  await writeFile(join(folder, name), source);
  return new TextDecoder().decode(await bundleFunction(join(folder, name)));
}

/** A package beside the author's file. */
async function writePackage(
  name: string,
  declaration: object,
  files: Readonly<Record<string, string>>,
  project = folder,
): Promise<void> {
  const root = join(project, "node_modules", name);
  await mkdir(root, { recursive: true });
  await writeFile(join(root, "package.json"), JSON.stringify({ name, ...declaration }));
  for (const [file, text] of Object.entries(files)) await writeFile(join(root, file), text);
}

/** The default export of a bundle. */
async function evaluate(bundle: string): Promise<unknown> {
  const module: { default: unknown } = await import(`data:text/javascript,${encodeURIComponent(bundle)}`);
  return module.default;
}

function sourceMapOf(bundle: string): { sources: string[]; sourcesContent: string[] } {
  const base64 = /^\/\/# sourceMappingURL=data:application\/json;base64,(.+)$/m.exec(bundle)?.[1] ?? "";
  return JSON.parse(Buffer.from(base64, "base64").toString());
}

const EMPTY = `
  import { defineFunction } from "locus/function";
  export default defineFunction({ name: "empty", run: (): null => null });
`;

describe("bundleFunction", () => {
  test("makes one module of a function, with locus/function in it and its source map inside", async () => {
    const bundle = await bundleText(EMPTY);

    expect(bundle).not.toMatch(/^import/m);
    expect(sourceMapOf(bundle)).toMatchObject({ sources: ["mine.ts"], sourcesContent: [EMPTY] });
    expect(await evaluate(bundle)).toMatchObject({ kind: "locus.function", name: "empty" });
  });

  test("brings typebox along where the author's folder has none, and keeps its source out of the map", async () => {
    const bundle = await bundleText(`
      import { defineFunction } from "locus/function";
      import { Type } from "typebox";
      export default defineFunction({ name: "typed", input: Type.Object({ id: Type.String() }), run: ({ args }) => args.id });
    `);

    const { input } = (await evaluate(bundle)) as { input: unknown };
    expect(JSON.parse(JSON.stringify(input))).toEqual({
      type: "object",
      required: ["id"],
      properties: { id: { type: "string" } },
    });
    expect(bundle.length).toBeLessThan(256 * 1024);
  });

  test("takes a package's entry for workers, and its branch for production", async () => {
    const exports = { node: "./node.js", worker: "./worker.js", default: "./other.js" };
    await writePackage("entries", { exports }, { "worker.js": "export default process.env.NODE_ENV;" });
    expect(await evaluate(await bundleText('export { default } from "entries";'))).toBe("production");
  });

  test.each(["./off.js", "./off"])("leaves the file %s empty that a package disables for browsers", async (key) => {
    const files = {
      "index.js": `import off from "${key}"; import os from "os"; export default [off, os];`,
      "off.js": 'import fs from "node:fs"; export default fs;',
    };
    await writePackage("disabling", { browser: { [key]: false, os: false } }, files);
    expect(await evaluate(await bundleText('export { default } from "disabling";'))).toEqual([{}, {}]);
  });

  describe("gives the same version", () => {
    const FILES = {
      "index.ts": `
        import { defineFunction } from "locus/function";
        import { Object } from "typebox";
        import { common } from "common";
        import other from "./other/index.js";
        import data from "./data.json";
        export default defineFunction({ name: "same", input: Object({}), run: () => [common, other, data] });
      `,
      "other/index.js": "module.exports = { other: 1 };",
      "data.json": "[1]",
    };
    const COMMON = {
      "index.js": "exports.common = [require('./part'), require('./disabled.js')];",
      "part.js": "module.exports = 1;",
      "disabled.js": "module.exports = 2;",
    };

    /** The version of the same project in this folder; its package is installed in that one. */
    async function versionIn(project: string, installed: string): Promise<string> {
      for (const [file, text] of Object.entries(FILES)) {
        await mkdir(dirname(join(folder, project, file)), { recursive: true });
        await writeFile(join(folder, project, file), text);
      }
      await writePackage("common", { browser: { "./disabled.js": false } }, COMMON, join(folder, installed));
      return versionOf(await bundleFunction(join(folder, project, "index.ts")));
    }

    let first: string;
    beforeEach(async () => {
      first = await versionIn("first", "first");
    });

    test.each([
      ["in another folder", "second", "second"],
      ["one folder deeper", "deep/down", "deep/down"],
      ["with its package installed one folder up", "up/project", "up"],
      ["with its package installed two folders up", "upper/project/functions", "upper"],
      ["inside a package", "outer/node_modules/project", "outer/node_modules/project"],
    ])("%s", async (_where, project, installed) => {
      expect(await versionIn(project, installed)).toBe(first);
    });

    test.each(["a folder", "the file"])("through a symbolic link to %s", async (what) => {
      const [target, link] = what === "a folder" ? ["first", "link"] : ["first/index.ts", "greet.ts"];
      await symlink(join(folder, target), join(folder, link));
      const entry = join(folder, what === "a folder" ? "link/index.ts" : link);
      expect(versionOf(await bundleFunction(entry))).toBe(first);
    });

    test("through a package that is a symbolic link", async () => {
      await versionIn("linked", "linked");
      const installed = join(folder, "linked/node_modules/common");
      await mkdir(join(folder, "store/node_modules"), { recursive: true });
      await rename(installed, join(folder, "store/node_modules/common"));
      await symlink(join(folder, "store/node_modules/common"), installed);
      expect(versionOf(await bundleFunction(join(folder, "linked/index.ts")))).toBe(first);
    });
  });

  test("says which file is missing", async () => {
    await expect(bundleFunction(join(folder, "gone.ts"))).rejects.toMatchObject({
      code: "FUNCTION_INVALID",
      message: expect.stringContaining(`there is no file gone.ts in ${folder}`),
    });
  });

  test.for(["notes.txt", "data.json", "function", "README.md"])("refuses %s, which is no source", async (name) => {
    await writeFile(join(folder, name), "{}");
    await expect(bundleFunction(join(folder, name))).rejects.toMatchObject({
      code: "FUNCTION_INVALID",
      message: expect.stringMatching(
        new RegExp(`/${name} is no source of a function: name a TypeScript or JavaScript file`),
      ),
    });
  });

  test("names the line and column of a syntax error", async () => {
    await expect(bundleText("const fine = 1;\nconst broken = ;\n")).rejects.toMatchObject({
      code: "FUNCTION_INVALID",
      message: expect.stringContaining(`${join(folder, "mine.ts")}:2:16: Unexpected ";"`),
    });
  });

  test.for(["node:fs", "child_process"])("refuses %s, and says what a function has instead", async (name) => {
    await expect(bundleText(`import * as it from "${name}";\nexport default it;`)).rejects.toMatchObject({
      code: "FUNCTION_INVALID",
      message: expect.stringMatching(/mine\.ts:1:\d+: .* is a module of Node\.js.*structuredClone/),
    });
  });

  test.each([
    ["lodash", "lodash"],
    ["lodash/fp", "lodash"],
    ["@nobody/nothing/deep", "@nobody/nothing"],
  ])("says how to install the package of %s", async (name, wanted) => {
    await expect(bundleText(`import * as it from "${name}";\nexport default it;`)).rejects.toMatchObject({
      code: "FUNCTION_INVALID",
      message: expect.stringContaining(`"${name}": install it beside the file (npm install ${wanted})`),
    });
  });

  test.each([
    ["exporting/deep", { exports: { ".": "./index.js" } }, `"exports" in its package.json have no "./deep"`],
    ["exporting", { exports: { node: "./index.js" } }, `"exports" have this path for "node" only; a function takes "b`],
    ["exporting", { main: "gone.js" }, "the file is not in it"],
    ["exporting/gone.js", {}, "the file is not in it"],
  ])("says what an installed package lacks for %s, declaring %o", async (name, declaration, lack) => {
    await writePackage("exporting", declaration, {});
    await expect(bundleText(`import it from "${name}";\nexport default it;`)).rejects.toMatchObject({
      code: "FUNCTION_INVALID",
      message: expect.stringMatching(
        /mine\.ts:1:\d+: Could not resolve "exporting.*: the package exporting is installed/,
      ),
    });
    await expect(bundleText(`import it from "${name}";\nexport default it;`)).rejects.toThrow(lack);
  });

  test("imports text and bytes", async () => {
    const names = ["a.sql", "a.txt", "a.html", "a.csv", "a.css", "a.wasm", "a.bin"];
    for (const name of names) await writeFile(join(folder, name), Buffer.from([97, 0xc3, 0xbc]));
    const imports = names.map((name, index) => `import a${index} from "./${name}";`).join("\n");
    const bundle = await bundleText(`${imports}\nexport default [${names.map((_, index) => `a${index}`).join()}];`);
    const bytes = new Uint8Array([97, 0xc3, 0xbc]);
    expect(await evaluate(bundle)).toEqual(["aü", "aü", "aü", "aü", "aü", bytes, bytes]);
  });

  test("says what can be imported where a file cannot", async () => {
    await writeFile(join(folder, "a.yaml"), "a: 1");
    await expect(bundleText(`import it from "./a.yaml";\nexport default it;`)).rejects.toMatchObject({
      code: "FUNCTION_INVALID",
      message: expect.stringMatching(/mine\.ts:1:16: No loader .*"\.yaml".* A function can import .*\.sql.*\.wasm/),
    });
  });

  test.for(["locus", "locus/functions", "locus/function/define"])("sends nobody to npm for %s", async (name) => {
    await expect(bundleText(`import * as it from "${name}";\nexport default it;`)).rejects.toMatchObject({
      code: "FUNCTION_INVALID",
      message: expect.stringMatching(
        new RegExp(`mine\\.ts:1:\\d+: "${name}" is not there: of locus a function imports "locus/function" `),
      ),
    });
  });

  test("says of a file that is not there nothing of packages", async () => {
    await expect(bundleText(`import it from "./gone.ts";\nexport default it;`)).rejects.toMatchObject({
      message: expect.stringMatching(/Could not resolve "\.\/gone\.ts"$/),
    });
  });

  test("refuses what would have to be loaded while the function runs", async () => {
    await expect(bundleText(`import it from "https://example.org/it.js";\nexport default it;`)).rejects.toMatchObject({
      code: "FUNCTION_INVALID",
      message: expect.stringMatching(/mine\.ts:1:\d+: "https:\/\/example\.org\/it\.js" is a web address/),
    });
  });

  test("refuses a file without a default export", async () => {
    await expect(bundleText("export const run = () => 1;")).rejects.toMatchObject({
      code: "FUNCTION_INVALID",
      message: expect.stringContaining("mine.ts has no default export"),
    });
  });

  test("leaves comments and spaces out, and keeps names", async () => {
    const bundle = await bundleText(`
      // A comment.
      class NoSuchUser extends Error {}
      export default { make: () => new NoSuchUser("gone").constructor.name };
    `);
    const { make } = (await evaluate(bundle)) as { make: () => string };
    expect(make()).toBe("NoSuchUser");
    expect(bundle.indexOf("//# sourceMappingURL")).toBeLessThan(150);
  });

  test("has room for mathjs as a whole", { timeout: 60_000 }, async () => {
    await symlink(join(import.meta.dirname, "../../node_modules"), join(folder, "node_modules"));
    const bundle = await bundleText('import { evaluate } from "mathjs";\nexport default evaluate("sqrt(16) + 2 * 3");');
    expect(await evaluate(bundle)).toBe(10);
  });

  test.each([
    ["with a text of 2 MiB in a comment", `/* ${"x".repeat(2 * MIB)} */\n`],
    ["with 900 KiB of dense code", `export const list = [${"a,".repeat(460_000)}];\nvar a = 1;\n`],
  ])("counts the code of a source %s, and not its map", async (_what, text) => {
    const bundle = await bundleText(`${text}export default { kind: "locus.function", list: [] };`);
    expect(() => checkBundleBytes(Buffer.from(bundle))).not.toThrow();
    expect(sourceMapOf(bundle).sources).toEqual(["mine.ts"]);
  });

  test("refuses a bundle above the limit, and names its largest parts", async () => {
    await writeFile(join(folder, "table.json"), JSON.stringify({ table: "x".repeat(1024 * 1024) }));
    await expect(bundleText(`import data from "./table.json";\nexport default data;`)).rejects.toMatchObject({
      code: "BUNDLE_TOO_LARGE",
      message: expect.stringMatching(/at most 1048576 .* table\.json \(\d+ bytes\)/),
    });
  });
});
