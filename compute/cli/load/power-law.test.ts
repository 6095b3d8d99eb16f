import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { generatePowerLaw } from "./power-law.ts";

function neighboursOf(nodes: number, seed: number): Map<string, string[]> {
  const entries = [...generatePowerLaw(nodes, seed).entries()];
  return new Map(entries.map(([id, value]) => [id, (JSON.parse(value) as { neigh: string[] }).neigh]));
}

describe("generatePowerLaw", () => {
  test("gives the same graph for the same seed, and another for another", () => {
    expect(neighboursOf(1_000, 1)).toEqual(neighboursOf(1_000, 1));
    expect(neighboursOf(1_000, 1)).not.toEqual(neighboursOf(1_000, 2));
  });

  test("numbers the nodes from 1, links them both ways, to others and once, and counts the links", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1_000 }), fc.nat(), (nodes, seed) => {
        const graph = neighboursOf(nodes, seed);
        const links = [...graph].flatMap(([id, neigh]) => neigh.map((neighbour) => `${id} ${neighbour}`));
        const reversed = links.map((link) => link.split(" ").toReversed().join(" "));

        expect([...graph.keys()]).toEqual(Array.from({ length: nodes }, (_, index) => String(index + 1)));
        expect(links).toHaveLength(generatePowerLaw(nodes, seed).edges);
        expect(new Set(links).size).toBe(links.length);
        expect(new Set(reversed)).toEqual(new Set(links));
        expect(links.some((link) => link.split(" ")[0] === link.split(" ")[1])).toBe(false);
      }),
      { numRuns: 20 },
    );
  });

  test("has the measures of AutoLoc's social graph, with a few nodes that have very many neighbours", () => {
    const degrees = neighboursOf(4_000, 1)
      .values()
      .map((neigh) => neigh.length)
      .toArray()
      .toSorted((a, b) => a - b);

    expect(degrees.reduce((sum, degree) => sum + degree, 0) / degrees.length).toBeCloseTo(21.67, 2);
    expect(degrees[degrees.length / 2]).toBeLessThan(20);
    expect(degrees.at(-1)).toBeGreaterThan(100);
  });
});
