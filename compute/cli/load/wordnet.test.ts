import { expect, test } from "vitest";
import { readWordnet } from "./wordnet.ts";

test("WordNet is read whole: 117,791 synsets, 378,203 pointers, each to a synset that is there", async () => {
  const graph = await readWordnet();
  expect(graph).toMatchObject({ source: "WordNet 3.1", nodes: 117_791, edges: 378_203, firstId: 1, lastId: 117_791 });

  const nodes = new Map(graph.entries());
  expect(nodes.size).toBe(117_791);
  let pointers = 0;
  let unknown = 0;
  for (const value of nodes.values()) {
    for (const id of (JSON.parse(value) as { neigh: string[] }).neigh) {
      pointers++;
      if (!nodes.has(id)) unknown++;
    }
  }
  expect({ pointers, unknown }).toEqual({ pointers: 378_203, unknown: 0 });

  expect(JSON.parse(nodes.get("1") ?? "")).toEqual({
    word: "entity",
    gloss: expect.stringContaining("perceived or known or inferred"),
    neigh: ["2", "3", "24673"],
  });
});
