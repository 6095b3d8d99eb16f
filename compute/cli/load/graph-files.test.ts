import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { readAutoloc, readPagerankEdges } from "./autoloc.ts";
import { readEdgeList } from "./edge-list.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "locus-graph-"));
});
afterEach(() => rm(folder, { recursive: true }));

async function fileOf(content: string | Uint8Array): Promise<string> {
  const file = join(folder, "graph");
  await writeFile(file, content);
  return file;
}

describe("an edge list", () => {
  const TEXT = "# from to\r\n10\t20\r\n\n20 alice\n  10 alice  \n10 20";

  test("numbers the nodes as they appear, and keeps their names and the links' direction", async () => {
    const graph = await readEdgeList(await fileOf(TEXT));
    expect(graph).toMatchObject({ nodes: 3, edges: 4, firstId: 1, lastId: 3 });
    expect([...graph.entries()]).toEqual([
      ["1", '{"name":"10","neigh":["2","3","2"]}'],
      ["2", '{"name":"20","neigh":["3"]}'],
      ["3", '{"name":"alice","neigh":[]}'],
    ]);
  });

  test("may be packed with gzip, and is then the same graph", async () => {
    const plain = await readEdgeList(await fileOf(TEXT));
    const packed = await readEdgeList(await fileOf(gzipSync(TEXT)));
    expect(packed.source).toBe(plain.source);
    expect([...packed.entries()]).toEqual([...plain.entries()]);
  });

  test("is read across the pieces in which a large file comes", async () => {
    const text = Array.from({ length: 50_000 }, (_, index) => `${index} ${index + 1}\n`).join("");
    expect(await readEdgeList(await fileOf(text))).toMatchObject({ nodes: 50_001, edges: 50_000 });
  });

  test.for([
    ["1 2\n3\n", ':2: expected "from to", found "3"'],
    ["1 2\n# fine\n1 2 0.5\n", ':3: expected "from to", found "1 2 0.5"'],
    [`1 2\n${"x".repeat(300)}`, ":2: the line is longer than 256 characters"],
    ["x".repeat(1_000_000), ":1: the line is longer than 256 characters"],
    ["# nothing\n", " has no links"],
  ] as const)("names file and line of what it cannot read: %#", async ([text, mistake]) => {
    const file = await fileOf(text);
    await expect(readEdgeList(file)).rejects.toMatchObject({
      code: "REQUEST_INVALID",
      message: expect.stringContaining(file + mistake),
    });
  });

  test.for([
    ["no UTF-8", Uint8Array.of(0x31, 0x20, 0xff, 0x0a)],
    ["a gzip file that ends too early", gzipSync("1 2\n".repeat(10_000)).subarray(0, 60)],
  ] as const)("refuses %s", async ([, bytes]) => {
    await expect(readEdgeList(await fileOf(bytes))).rejects.toMatchObject({
      code: "REQUEST_INVALID",
      message: expect.stringContaining(`cannot read ${folder}`),
    });
  });

  test("names a file that is not there", async () => {
    await expect(readEdgeList(join(folder, "gone"))).rejects.toMatchObject({
      code: "REQUEST_INVALID",
      message: expect.stringContaining("no such file"),
    });
  });
});

describe("AutoLoc's file", () => {
  const NODES = { "0": { feature: ["a"], neigh: ["7", "9"] }, "7": { feature: [], neigh: ["0"] } };

  test.for(["plain", "gzip"])("keeps ids and values as they are (%s)", async (form) => {
    const text = JSON.stringify(NODES);
    const graph = await readAutoloc(await fileOf(form === "gzip" ? gzipSync(text) : text));
    expect(graph).toMatchObject({ nodes: 2, edges: 3, firstId: 0, lastId: 7 });
    expect(Object.fromEntries(graph.entries())).toEqual({
      "0": JSON.stringify(NODES["0"]),
      "7": JSON.stringify(NODES["7"]),
    });
  });

  test("has a source line of its own for each content", async () => {
    const one = await readAutoloc(await fileOf(JSON.stringify(NODES)));
    const other = await readAutoloc(await fileOf('{"0":{"neigh":[]}}'));
    expect(one.source).not.toBe(other.source);
  });

  test.for([
    ['{"1": {"neigh": ["2"]},\n oops}', "is no JSON: "],
    ["[]", "expected an object of nodes"],
    ["{}", "there are no nodes in it"],
    ['{"locus:x": {"neigh": []}}', 'a node\'s id is "locus:x"'],
    ['{"1": {"neigh": []}, "01": {"neigh": []}}', 'a node\'s id is "01"'],
    ['{"1": {"neigh": [2]}}', 'node "1" has no "neigh"'],
    ['{"1": null}', 'node "1" has no "neigh"'],
    ['{"1": {"neigh": []}, "999999999": {"neigh": []}}', "the ids span more than"],
  ] as const)("refuses %s", async ([text, mistake]) => {
    const file = await fileOf(text);
    await expect(readAutoloc(file)).rejects.toMatchObject({
      code: "REQUEST_INVALID",
      message: expect.stringMatching(new RegExp(`^${file}.*${mistake}`)),
    });
  });

  test("comes with an edge list, whose edges are checked", async () => {
    expect(await readPagerankEdges(await fileOf("[[1, 2], [2, 3]]"))).toBe("[[1,2],[2,3]]");
    await expect(readPagerankEdges(await fileOf('[[1, 2], [2, "3"]]'))).rejects.toThrow("edge 1 is not [from, to]");
    await expect(readPagerankEdges(await fileOf("{}"))).rejects.toThrow("expected an array of edges");
  });
});
