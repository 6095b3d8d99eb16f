// Packages from npm deploy and run, of each way in which a package declares its entry.

import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bundleFunction } from "#runtime/function/bundle.ts";
import { SIDE_NAMES, startSide, type TestSide } from "../sides.ts";

/** A package's declaration, what is imported, an expression that uses it, and the expression's value. */
const USES: readonly (readonly [declares: string, imported: string, expression: string, value: unknown])[] = [
  ["exports: browser", `{ nanoid } from "nanoid"`, `nanoid().length`, 21],
  ["exports: default, not node", `{ v5 } from "uuid"`, `v5("a", v5.DNS)`, "4f3f2898-69e3-5a0d-820a-c4e87987dbce"],
  ["exports: default, not node", `{ parse } from "yaml"`, `parse("a: [1, 2]")`, { a: [1, 2] }],
  ["exports: import", `{ produce } from "immer"`, `produce([1], (list) => void list.push(2))`, [1, 2]],
  ["exports: import", `{ z } from "zod"`, `z.object({ a: z.coerce.number() }).parse({ a: "1" })`, { a: 1 }],
  ["exports: import", `{ create, sqrtDependencies } from "mathjs"`, `create({ sqrtDependencies }).sqrt(16)`, 4],
  ["browser: a file", `hash from "object-hash"`, `hash({ a: 1 })`, "ca1a41f90da606b052ecf10c8286817813bc8861"],
  ["browser: a file", `debug from "debug"`, `debug("a:b").extend("c").namespace`, "a:b:c"],
  ["browser: a map", `qs from "qs"`, `qs.stringify(qs.parse("a[b]=1&a[c]=x y"), { encode: false })`, "a[b]=1&a[c]=x y"],
  ["module", `{ Map } from "immutable"`, `Map({ a: 1 }).set("b", 2)`, { a: 1, b: 2 }],
  ["module", `{ groupBy } from "lodash-es"`, `groupBy([1, 2, 3], (n) => n % 2)`, { 0: [2], 1: [1, 3] }],
  ["main", `lodash from "lodash"`, `lodash.chunk([1, 2, 3], 2)`, [[1, 2], [3]]],
  ["main", `dayjs from "dayjs"`, `dayjs("2026-02-28").add(1, "day").format("D MMMM")`, "1 March"],
  ["main", `{ Ajv } from "ajv"`, `new Ajv().compile({ type: "string" })(1)`, false],
  ["main", `stringify from "fast-json-stable-stringify"`, `stringify({ b: 1, a: 2 })`, '{"a":2,"b":1}'],
  ["main", `ms from "ms"`, `ms("2 days")`, 172_800_000],
  ["main", `semver from "semver"`, `semver.satisfies("1.2.3", "^1.0.0")`, true],
];

describe.each(SIDE_NAMES)("a function on %s", (name) => {
  let folder: string;
  let side: TestSide;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "locus-packages-"));
    symlinkSync(join(import.meta.dirname, "../../node_modules"), join(folder, "node_modules"));
    side = await startSide(name);
  });
  afterAll(async () => {
    await side.close();
    rmSync(folder, { recursive: true });
  });

  let functions = 0;
  it.each(USES)("uses a package that declares %s: %s", async (_declares, imported, expression, value) => {
    const file = join(folder, "uses.ts");
    const definition = `{ name: "uses-${++functions}", limits: { deadlineMs: 60_000, cpuMs: 60_000 }, run: () => ${expression} }`;
    writeFileSync(
      file,
      `import ${imported};\nimport { defineFunction } from "locus/function";\nexport default defineFunction(${definition});`,
    );
    const { result } = await side.deploy(Buffer.from(await bundleFunction(file)).toString());
    expect(await result()).toEqual(value);
  });
});
