import { expect, test } from "vitest";
import {
  comparisonRow,
  extremeRow,
  figureOf,
  interleave,
  peerRow,
  type Measuring,
  type Peer,
  type Row,
  type Standing,
} from "./contest.ts";

/** A peer that answers these values one after the other, and notes its turns. */
const peerOf = (name: string, values: readonly number[], turns: string[] = []): Peer => {
  const left = [...values];
  return {
    name,
    unit: "calls/s",
    run: async () => {
      turns.push(name);
      return { value: left.shift() ?? NaN };
    },
  };
};

test("peers run in turn, and warm-ups do not count", async () => {
  const turns: string[] = [];
  const peers = [peerOf("A", [0, 1, 2], turns), peerOf("B", [0, 3, 4], turns)];
  const told: string[] = [];
  const measures = await interleave(peers, { warmUps: 1, repetitions: 2 }, (text) => told.push(text));
  expect(turns.join(" ")).toBe("A B A B A B");
  expect(told).toHaveLength(6);
  expect(told[2]).toBe("repetition 1 of 2: A");
  expect(measures.get("A")).toEqual([{ value: 1 }, { value: 2 }]);
  expect(measures.get("B")).toEqual([{ value: 3 }, { value: 4 }]);
});

test("peers of a group have all their turns, and end, before those of the next begin", async () => {
  const turns: string[] = [];
  const grouped = (name: string, group: string): Peer => ({
    ...peerOf(name, [1, 2], turns),
    group,
    end: () => Promise.resolve(void turns.push(`end ${name}`)),
  });
  const peers = [grouped("A1", "A"), grouped("B1", "B"), grouped("A2", "A"), peerOf("C", [1, 2], turns)];
  const measures = await interleave(peers, { warmUps: 0, repetitions: 2 }, () => {});
  expect(turns.join(", ")).toBe("A1, A2, A1, A2, end A2, end A1, B1, B1, end B1, C, C");
  expect(measures.get("A2")).toEqual([{ value: 1 }, { value: 2 }]);
});

test("peers end as well where one of their group fails", async () => {
  const ended: string[] = [];
  const ending = (name: string): Peer => ({
    ...peerOf(name, [1, 2]),
    group: "A",
    end: () => Promise.resolve(void ended.push(name)),
  });
  const failing: Peer = { ...ending("failing"), run: () => Promise.reject(new Error("it failed")) };
  const contest = interleave([ending("A1"), failing], { warmUps: 0, repetitions: 2 }, () => {});
  await expect(contest).rejects.toThrow("it failed");
  expect(ended).toEqual(["failing", "A1"]);
});

test("who has turns measured is told how many are left, and warm-ups are none of them", async () => {
  const told: string[] = [];
  const measuring: Measuring = {
    beginTurn: (turnsLeft) => void told.push(`${turnsLeft} left`),
    measure: async (run) => ({ ...(await run()), isDisturbed: false }),
  };
  const peers = [
    { ...peerOf("A1", [0, 1, 2], told), group: "A" },
    { ...peerOf("B1", [0, 3, 4], told), group: "B" },
    { ...peerOf("A2", [0, 5, 6], told), group: "A" },
  ];
  const measures = await interleave(peers, { warmUps: 1, repetitions: 2 }, () => {}, measuring);
  expect(told.join(", ")).toBe("A1, A2, 4 left, A1, A2, 3 left, A1, A2, B1, 2 left, B1, 1 left, B1");
  expect(measures.get("A2")).toEqual([
    { value: 5, isDisturbed: false },
    { value: 6, isDisturbed: false },
  ]);
});

test("a ratio is the median of the ratios within the repetitions, not the ratio of the medians", async () => {
  // A machine that is ten times slower in the second repetition disturbs both peers, and not their ratio.
  const peers = [peerOf("A", [200, 20, 500]), peerOf("B", [100, 10, 100])];
  const measures = await interleave(peers, { warmUps: 0, repetitions: 3 }, () => {});
  const ratio = { better: "more", of: (valueOf: (peer: string) => number) => valueOf("A") / valueOf("B") } as const;
  expect(comparisonRow("AvsB", ratio, measures, 3)).toEqual({
    name: "AvsB",
    unit: "ratio",
    median: 2,
    min: 2,
    max: 5,
    repetitions: [2, 2, 5],
  });
});

test("the best of several is who did best all in all, whoever was lucky in a repetition", async () => {
  const peers = [peerOf("ours", [10, 10, 10]), peerOf("A", [5, 4, 30]), peerOf("B", [8, 8, 8])];
  const measures = await interleave(peers, { warmUps: 0, repetitions: 3 }, () => {});
  const against = (which: "mostOf" | "leastOf") => {
    const of = (valueOf: (peer: string) => number, standing: Standing): number =>
      valueOf("ours") / valueOf(standing[which](["A", "B"]));
    return comparisonRow("against", { better: "more", of }, measures, 3).repetitions;
  };
  expect(against("mostOf")).toEqual([1.25, 1.25, 1.25]);
  expect(against("leastOf")).toEqual([2, 2.5, 1 / 3]);
});

test("a ratio of a peer that was not measured is a mistake", () => {
  const ratio = { better: "less", of: (valueOf: (peer: string) => number) => valueOf("C") } as const;
  expect(() => comparisonRow("ofC", ratio, new Map(), 1)).toThrow('"C"');
});

test("the worst ratio, or the best, is the one whose median is, whatever a single repetition came to", () => {
  const row = (name: string, median: number, min: number): Row => ({
    name,
    unit: "ratio",
    median,
    min,
    max: 2,
    repetitions: [min, median, 2],
  });
  const rows = [row("A", 0.9, 0.8), row("B", 1, 0.1), row("C", 0.2, 0.2)];
  const more = { better: "more", worstOf: ["A", "B"] } as const;
  expect(extremeRow("kept", more, rows)).toEqual(row("kept", 0.9, 0.8));
  expect(extremeRow("kept", { ...more, better: "less" }, rows)).toEqual(row("kept", 1, 0.1));
  expect(extremeRow("gain", { better: "more", bestOf: ["A", "B"] }, rows)).toEqual(row("gain", 1, 0.1));
  expect(extremeRow("gain", { better: "less", bestOf: ["A", "C"] }, rows)).toEqual(row("gain", 0.2, 0.2));
  expect(() => extremeRow("kept", { ...more, worstOf: ["A", "D"] }, rows)).toThrow("D");
});

test("a ratio is its median, or its worst repetition where that is what counts", () => {
  const row: Row = { name: "A", unit: "ratio", median: 2, min: 1, max: 5, repetitions: [2, 1, 5] };
  const of = () => 1;
  expect(figureOf(row, { better: "less", of })).toBe(2);
  expect(figureOf(row, { better: "less", counts: "worst", of })).toBe(5);
  expect(figureOf(row, { better: "more", counts: "worst", of })).toBe(1);
});

test("a row has the spread of the values and the medians of what stands beside them", () => {
  const row = peerRow(peerOf("A", []), [
    { value: 3, p50Us: 10, p99Us: 90, details: { cpuUsPerGet: 1 } },
    { value: 1, p50Us: 30, p99Us: 70, details: { cpuUsPerGet: 3 } },
    { value: 2, p50Us: 20, p99Us: 80, details: { cpuUsPerGet: 2 } },
  ]);
  expect(row).toEqual({
    name: "A",
    unit: "calls/s",
    median: 2,
    min: 1,
    max: 3,
    repetitions: [3, 1, 2],
    p50Us: 20,
    p99Us: 80,
    details: { cpuUsPerGet: 2 },
  });
  expect(peerRow(peerOf("A", []), [{ value: 1 }])).not.toHaveProperty("p50Us");
});

test("a row tells what part of its repetitions was disturbed, where that is known", () => {
  const measures = [true, false, false, true, false].map((isDisturbed, value) => ({ value, isDisturbed }));
  expect(peerRow(peerOf("A", []), measures).details).toEqual({ disturbedShare: 0.4 });
  expect(peerRow(peerOf("A", []), [{ value: 1, details: { a: 1 } }]).details).toEqual({ a: 1 });
});
