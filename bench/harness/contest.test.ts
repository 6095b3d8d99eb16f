import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import {
  compared,
  comparisonRow,
  figureOf,
  interleave,
  peerRow,
  rowAmong,
  type Measures,
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
  expect(turns.slice(0, 4).join(" ")).toBe("A B A B");
  expect(turns.slice(4).toSorted().join(" ")).toBe("A B");
  expect(told).toHaveLength(6);
  expect(told[2]).toBe("repetition 1 of 2: A");
  expect(measures.get("A")).toEqual([{ value: 1 }, { value: 2 }]);
  expect(measures.get("B")).toEqual([{ value: 3 }, { value: 4 }]);
});

test("from the second repetition on they come in any order, in the end each as often after the one as after another, and the same in each run", async () => {
  const turnsOf = async (): Promise<string> => {
    const turns: string[] = [];
    const peers = ["A", "B", "C"].map((name) => peerOf(name, [], turns));
    await interleave(peers, { warmUps: 0, repetitions: 601 }, () => {});
    return turns.join("");
  };
  const turns = await turnsOf();
  expect(turns.slice(0, 3)).toBe("ABC");
  const orders = turns.slice(3).match(/.../g) ?? [];
  const times = [...Map.groupBy(orders, (order) => order).values()].map(({ length }) => length);
  expect(times).toHaveLength(6);
  // Of 600 a hundred each: three standard deviations are 27.
  expect(Math.min(...times)).toBeGreaterThan(73);
  expect(await turnsOf()).toBe(turns);
});

test("who tells of others comes after them in each turn", async () => {
  const turns: string[] = [];
  const telling: Peer = { ...peerOf("of A and B", [], turns), tellsOf: ["A", "B"] };
  const peers = [peerOf("A", [], turns), telling, peerOf("B", [], turns)];
  await interleave(peers, { warmUps: 1, repetitions: 40 }, () => {});
  const last = turns.filter((_, turn) => turn % 3 === 2);
  expect(new Set(last)).toEqual(new Set(["of A and B"]));
  expect(new Set(turns.filter((_, turn) => turn % 3 === 0))).toEqual(new Set(["A", "B"]));
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
  expect(turns.join(", ")).toMatch(/^A1, A2, (A1, A2|A2, A1), end A2, end A1, B1, B1, end B1, C, C$/);
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

test("peers that are undecided take further turns, until they are not, and come back no more", async () => {
  const turns: string[] = [];
  const grouped = (name: string, group: string, values: readonly number[]): Peer => ({
    ...peerOf(name, values, turns),
    group,
    end: () => Promise.resolve(void turns.push(`end ${name}`)),
  });
  const peers = [
    grouped("A1", "A", [1, 2, 3, 4]),
    grouped("A2", "A", [5, 6, 7]),
    grouped("A3", "A", [8, 9]),
    grouped("B1", "B", [10, 11]),
  ];
  const asked: string[] = [];
  const answers = [["A1", "A2"], ["A1", "A3"], ["A2"], []];
  const undecided = (measures: Measures): ReadonlySet<string> => {
    asked.push([...measures.keys()].join());
    return new Set(answers.shift());
  };
  const measures = await interleave(peers, { warmUps: 0, repetitions: 2, extraMs: 60_000 }, () => {}, undecided);
  expect(turns.slice(0, 3).join(" ")).toBe("A1 A2 A3");
  expect(turns.slice(3, 6).toSorted().join(" ")).toBe("A1 A2 A3");
  expect(turns.slice(6).join(" ")).toMatch(/^(A1 A2|A2 A1) A1 end A3 end A2 end A1 B1 B1 end B1$/);
  expect(asked).toEqual(["A1,A2,A3", "A1,A2,A3", "A1,A2,A3", "B1"]);
  expect(measures.get("A2")).toEqual([{ value: 5 }, { value: 6 }, { value: 7 }]);
});

test("who tells of others takes the further turns that these take, and these take those that it needs", async () => {
  const furtherOf = async (undecided: string): Promise<string> => {
    const turns: string[] = [];
    const telling = (name: string, tellsOf: readonly string[]): Peer => ({ ...peerOf(name, [], turns), tellsOf });
    const peers = [peerOf("A", [], turns), peerOf("B", [], turns), telling("a", ["A"]), telling("ab", ["A", "B"])];
    const answers = [[undecided], []];
    const effort = { warmUps: 0, repetitions: 1, extraMs: 60_000 };
    await interleave(
      peers,
      effort,
      () => {},
      () => new Set(answers.shift()),
    );
    return turns.slice(peers.length).toSorted().join(" ");
  };
  expect(await furtherOf("A")).toBe("A a ab");
  expect(await furtherOf("B")).toBe("B ab");
  expect(await furtherOf("a")).toBe("A a ab");
  expect(await furtherOf("ab")).toBe("A B a ab");
});

test("without time nobody takes further turns, and a group has no more than its part", async () => {
  const takes = (name: string, ms: number): Peer => ({
    ...peerOf(name, []),
    group: name,
    run: async () => {
      await sleep(ms);
      return { value: ms };
    },
  });
  const all = (measures: Measures): ReadonlySet<string> => new Set(measures.keys());
  const turnsWith = async (extraMs: number): Promise<readonly number[]> => {
    const peers = [takes("A", 30), takes("B", 30)];
    const measures = await interleave(peers, { warmUps: 0, repetitions: 1, extraMs }, () => {}, all);
    return [...measures.values()].map(({ length }) => length);
  };
  expect(await turnsWith(0)).toEqual([1, 1]);
  const [first = 0, second = 0] = await turnsWith(100);
  // As many as 50 ms have room for, and one that begins in them.
  expect(first).toBeGreaterThanOrEqual(2);
  expect(first).toBeLessThanOrEqual(3);
  expect(second).toBeLessThanOrEqual(4);
});

test("what some groups leave of the time those have that are still undecided, in turn, until it is over", async () => {
  const turns: string[] = [];
  const takes = (name: string): Peer => ({
    ...peerOf(name, [], turns),
    group: name,
    run: async () => {
      turns.push(name);
      return await sleep(5, { value: 1 });
    },
    end: () => Promise.resolve(void turns.push(`end ${name}`)),
  });
  // A is decided at once, B after its third turn, and C never.
  const undecided = (measures: Measures): ReadonlySet<string> =>
    new Set(
      [...measures].flatMap(([name, { length }]) => (name === "C" || (name === "B" && length < 3) ? [name] : [])),
    );
  const effort = { warmUps: 0, repetitions: 1, extraMs: 300 };
  const measures = await interleave([takes("A"), takes("B"), takes("C")], effort, () => {}, undecided);
  expect([measures.get("A")!.length, measures.get("B")!.length]).toEqual([1, 3]);
  expect(turns.join(" ")).toMatch(/^A end A B B B end B (C )+end C (C )+end C( (C )+end C)*$/);
});

test("nobody takes further turns while the others' have no time left until the run is to end", async () => {
  const all = (measures: Measures): ReadonlySet<string> => new Set(measures.keys());
  /** How many turns the first group has before the later one's, how many that has, and how many the first has after the later one's first. */
  const turnsOf = async (laterMs: number): Promise<readonly [number, number, number]> => {
    const turns: string[] = [];
    const takes = (group: string, ms: number): Peer => ({
      ...peerOf(group, []),
      group,
      run: async () => {
        turns.push(group);
        return await sleep(ms, { value: 1 });
      },
    });
    const peers = [takes("A", 1), { ...takes("B", 20), turnMs: { first: laterMs, again: 0 } }];
    const effort = { warmUps: 0, repetitions: 1, extraMs: 600, endsWithinMs: performance.now() + 60_000 };
    const measures = await interleave(peers, effort, () => {}, all);
    const later = measures.get("B")!.length;
    return [turns.indexOf("B"), later, turns.length - later - turns.indexOf("B")];
  };
  const [first, later, firstAgain] = await turnsOf(60_000);
  // The later group's turns are over by then, and what it was to take is there for more of both.
  expect([first, later > 1, firstAgain > 1]).toEqual([1, true, true]);
  expect((await turnsOf(0))[0]).toBeGreaterThan(1);
});

test("a ratio is of the repetitions that all have whom it compares, and so is who is best", () => {
  const values = (...list: readonly number[]) => list.map((value) => ({ value }));
  const measures: Measures = new Map([
    ["ours", values(2, 4, 6, 8)],
    ["A", values(1, 1, 9, 9)],
    ["B", values(2, 2)],
  ]);
  const of = (value: (peer: string) => number, { mostOf }: Standing): number =>
    value("ours") / value(mostOf(["A", "B"]));
  expect(comparisonRow("AvsB", { better: "more", of }, measures).repetitions).toEqual([1, 2]);
  const withA = (value: (peer: string) => number): number => value("ours") / value("A");
  expect(comparisonRow("AvsB", { better: "more", of: withA }, measures).repetitions).toEqual([2, 4, 6 / 9, 8 / 9]);
});

test("who is best is told by the repetitions of those who may be it, which those have whom nothing has decided yet", () => {
  const values = (...list: readonly number[]) => list.map((value) => ({ value }));
  const measures: Measures = new Map([
    ["ours", values(10, 10, 10, 10, 10, 10)],
    ["far", values(1, 1.1, 1, 1.1)],
    ["A", values(5, 6, 5, 6, 5, 5)],
    ["B", values(6, 5, 5, 6, 6, 7)],
  ]);
  const against = (which: "mostOf" | "leastOf") => {
    const of = (value: (peer: string) => number, standing: Standing): number =>
      value("ours") / value(standing[which](["far", "A", "B"]));
    const { values: ratios, peers, contenders } = compared({ better: "more", of }, measures);
    return { times: ratios.length, peers: [...peers], contenders: [...contenders] };
  };
  expect(against("mostOf")).toEqual({ times: 6, peers: ["ours", "B"], contenders: ["A", "B"] });
  expect(against("leastOf")).toEqual({ times: 4, peers: ["ours", "far"], contenders: ["far"] });
});

test("who may be the best is not told by lives that tie by luck", () => {
  const values = (...list: readonly number[]) => list.map((value) => ({ value }));
  const measures: Measures = new Map([
    ["ours", values(10, 10, 10, 10)],
    ["far", values(1, 1.1, 1, 1.1)],
    ["A", values(5, 6, 5, 6)],
    ["B", values(6, 4.9, 6, 4.9)],
  ]);
  const of = (value: (peer: string) => number, { mostOf }: Standing): number =>
    value("ours") / value(mostOf(["far", "A", "B"]));
  expect([...compared({ better: "more", of, together: 2 }, measures).contenders]).toEqual(["A", "B"]);
});

test("a ratio is the median of the ratios within the repetitions, not the ratio of the medians", async () => {
  // A machine that is ten times slower in the second repetition disturbs both peers, and not their ratio.
  const peers = [peerOf("A", [200, 20, 500]), peerOf("B", [100, 10, 100])];
  const measures = await interleave(peers, { warmUps: 0, repetitions: 3 }, () => {});
  const ratio = { better: "more", of: (valueOf: (peer: string) => number) => valueOf("A") / valueOf("B") } as const;
  expect(comparisonRow("AvsB", ratio, measures)).toEqual({
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
    return comparisonRow("against", { better: "more", of }, measures).repetitions;
  };
  expect(against("mostOf")).toEqual([1.25, 1.25, 1.25]);
  expect(against("leastOf")).toEqual([2, 2.5, 1 / 3]);
});

test("a ratio of a peer that was not measured is a mistake", () => {
  const ratio = { better: "less", of: (valueOf: (peer: string) => number) => valueOf("C") } as const;
  expect(() => comparisonRow("ofC", ratio, new Map())).toThrow('"C"');
  const amongBoth = (valueOf: (peer: string) => number, { mostOf }: Standing): number => valueOf(mostOf(["A", "C"]));
  expect(() => comparisonRow("most", { better: "more", of: amongBoth }, new Map([["A", [{ value: 1 }]]]))).toThrow(
    '"C"',
  );
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
  expect(rowAmong("kept", more, rows)).toEqual(row("kept", 0.9, 0.8));
  expect(rowAmong("kept", { ...more, better: "less" }, rows)).toEqual(row("kept", 1, 0.1));
  expect(rowAmong("gain", { better: "more", bestOf: ["A", "B"] }, rows)).toEqual(row("gain", 1, 0.1));
  expect(rowAmong("gain", { better: "less", bestOf: ["A", "C"] }, rows)).toEqual(row("gain", 0.2, 0.2));
  expect(() => rowAmong("kept", { ...more, worstOf: ["A", "D"] }, rows)).toThrow("D");
});

test("between ratios lies the median of their medians", () => {
  const rows = [0.9, 1.2, 5, 1].map((median, index): Row => ({
    name: `R${index}`,
    unit: "ratio",
    median,
    min: 0,
    max: 9,
    repetitions: [0, median, 9],
  }));
  const middle = { better: "more", medianOf: ["R0", "R1", "R3"] } as const;
  expect(rowAmong("middle", middle, rows)).toEqual({
    name: "middle",
    unit: "ratio",
    median: 1,
    min: 0.9,
    max: 1.2,
    repetitions: [0.9, 1.2, 1],
  });
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
