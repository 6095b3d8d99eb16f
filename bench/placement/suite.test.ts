import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { bundleOf } from "./suite.ts";

const REPOSITORY = join(import.meta.dirname, "../..");

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "locus-suite-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** From the repository's folder; its function is named like the file. */
function sourceOf(name: string, more: string): string {
  const file = join(folder, `${name}.ts`);
  writeFileSync(file, `export default { kind: "locus.function", name: "${name}", ${more}run: () => null };`);
  return relative(REPOSITORY, file);
}

test("a function that names a side is not measured", async () => {
  const source = sourceOf("sided", 'side: "storage", ');
  await expect(bundleOf({ name: "sided-1", source, deadlineMs: null })).rejects.toThrow(
    `${source} names a side, "storage": a function that is measured names none`,
  );
});

test("one that names none is bundled under the name and with the deadline that it is to have", async () => {
  const bundle = await bundleOf({ name: "free-1", source: sourceOf("free", ""), deadlineMs: 7 });
  expect(Buffer.from(bundle).toString()).toContain('name:"free-1",limits:{deadlineMs:7}');
});
