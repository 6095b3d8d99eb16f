import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { bundleFunction } from "./bundle.ts";
import { versionOf } from "./version.ts";

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
async function writePackage(name: string, declaration: object, files: Readonly<Record<string, string>>): Promise<void> {
  const root = join(folder, "node_modules", name);
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

  test("gives the same version wherever the author's folder lies", async () => {
    const here = versionOf(Buffer.from(await bundleText(EMPTY)));
    const elsewhere = await mkdtemp(join(tmpdir(), "locus-bundle-elsewhere-"));
    try {
      await writeFile(join(elsewhere, "mine.ts"), EMPTY);
      expect(versionOf(await bundleFunction(join(elsewhere, "mine.ts")))).toBe(here);
    } finally {
      await rm(elsewhere, { recursive: true });
    }
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

  test("refuses a bundle above the limit, and names its largest parts", async () => {
    await writeFile(join(folder, "table.json"), JSON.stringify({ table: "x".repeat(1024 * 1024) }));
    await expect(bundleText(`import data from "./table.json";\nexport default data;`)).rejects.toMatchObject({
      code: "BUNDLE_TOO_LARGE",
      message: expect.stringMatching(/at most 1048576 .* table\.json \(\d+ bytes\)/),
    });
  });
});
