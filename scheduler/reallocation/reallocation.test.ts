import { array, assert, boolean, constantFrom, double, integer, property, record, tuple } from "fast-check";
import { describe, expect, test } from "vitest";
import { Reallocation, type Sample } from "./reallocation.ts";

const LOOK_MS = 100;
const CPUS = { total: 4, floor: 0.02, step: 0.01, rests: true };
const COUNTS = { total: 20, floor: 1, step: 1, rests: false };

/** Looks that follow each other. */
class Looks {
  nowMs = 0;
  readonly reallocation: Reallocation;

  constructor(reallocation: Reallocation) {
    this.reallocation = reallocation;
  }

  look(...samples: readonly (Partial<Sample> & { readonly id: string })[]): void {
    this.nowMs += LOOK_MS;
    const full = samples.map((sample) => ({ used: 0, calls: 0, lacked: null, ...sample }));
    this.reallocation.sampled(full, this.nowMs);
  }

  looks(count: number, sample: Partial<Sample> & { readonly id: string }): void {
    for (let look = 0; look < count; look++) this.look(sample);
  }
}

const cpus = (...limits: readonly number[]): Looks => {
  const reallocation = new Reallocation(CPUS);
  for (const [index, limit] of limits.entries()) reallocation.add(`i${index}`, limit);
  return new Looks(reallocation);
};

const busy = { id: "i0", used: 0.2, calls: 1 };

describe("CPUs of instances", () => {
  test("one that is not known yet has what it is configured with", () => {
    const { reallocation } = cpus(0.5);
    expect(reallocation.granted("i0")).toBe(0.5);
    expect(reallocation.granted("nobody")).toBe(0);
  });

  test("a limit between two steps is granted as it is", () => {
    expect(cpus(0.335).reallocation.granted("i0")).toBe(0.335);
  });

  test("a constant load has, from the tenth look on, what it uses", () => {
    const looks = cpus(0.5);
    looks.looks(9, busy);
    expect(looks.reallocation.granted("i0")).toBe(0.5);
    looks.looks(1, busy);
    expect(looks.reallocation.granted("i0")).toBeCloseTo(0.2, 9);
    looks.looks(100, busy);
    expect(looks.reallocation.granted("i0")).toBeCloseTo(0.2, 9);
    expect(looks.reallocation.forecastError("i0")).toBeCloseTo(0, 9);
  });

  test("one without calls has the floor, and with the first call what it used before when it had calls", () => {
    const looks = cpus(0.5);
    looks.looks(20, busy);
    expect(looks.reallocation.rested("i0")).toEqual([{ id: "i0", amount: 0.02 }]);
    looks.look(busy);
    looks.look({ id: "i0" });
    expect(looks.reallocation.granted("i0")).toBe(0.02);
    expect(looks.reallocation.called("i0", 1)).toEqual([{ id: "i0", amount: expect.closeTo(0.2, 9) }]);
    expect(looks.reallocation.called("i0", 1)).toEqual([]);
  });

  test("more calls at once than were foreseen have the whole limit at once, and after the next look as long as they run", () => {
    const looks = cpus(0.5);
    looks.looks(20, busy);
    expect(looks.reallocation.called("i0", 2)).toEqual([{ id: "i0", amount: 0.5 }]);
    looks.look({ id: "i0", used: 0.01, calls: 2 });
    expect(looks.reallocation.granted("i0")).toBe(0.5);
  });

  test("a burst after a long rest is held back until it is called at most", () => {
    const looks = cpus(0.5);
    looks.reallocation.rested("i0");
    looks.looks(1_000, { id: "i0" });
    looks.reallocation.called("i0", 8);
    expect(looks.reallocation.granted("i0")).toBe(0.5);
  });

  test("where a raise comes too late for the call that needs it, one that rests now and then keeps what it needs", () => {
    const looks = new Looks(new Reallocation({ ...CPUS, rests: false }));
    looks.reallocation.add("i0", 0.5);
    for (let look = 0; look < 100; look++) looks.look(look % 10 === 0 ? busy : { id: "i0" });
    looks.look({ id: "i0" });
    expect(looks.reallocation.granted("i0")).toBeGreaterThanOrEqual(0.2);
  });

  test("one that was held back has its limit at once, keeps it for a while, and longer when that happens again", () => {
    const looks = cpus(0.5);
    const heldBackFor = (): number => {
      looks.look({ ...busy, lacked: Infinity });
      expect(looks.reallocation.granted("i0")).toBe(0.5);
      const sinceMs = looks.nowMs;
      while (looks.reallocation.granted("i0") === 0.5) looks.look(busy);
      return looks.nowMs - sinceMs;
    };
    looks.looks(20, busy);
    const first = heldBackFor();
    const second = heldBackFor();
    expect(first).toBeGreaterThanOrEqual(2_000);
    expect(second).toBeGreaterThanOrEqual(2 * first);
  });

  test("one that is held back by its own limit teaches what it uses", () => {
    const looks = cpus(0.5);
    looks.looks(20, { id: "i0", used: 0.5, calls: 4, lacked: Infinity });
    looks.looks(1, { id: "i0", used: 0.5, calls: 4 });
    expect(looks.reallocation.granted("i0")).toBe(0.5);
  });

  test("what is used is granted at the next look, whatever was foreseen", () => {
    const looks = cpus(0.5);
    looks.looks(50, busy);
    looks.look({ ...busy, used: 0.45 });
    expect(looks.reallocation.granted("i0")).toBeGreaterThanOrEqual(0.45);
  });

  test("where all want more than there is they have equal parts, and who is new takes from those who have most", () => {
    const { reallocation } = cpus(2, 2, 0.5);
    expect(["i0", "i1", "i2"].map((id) => reallocation.granted(id))).toEqual([1.75, 1.75, 0.5]);
    const changes = reallocation.add("i3", 2);
    expect(changes?.map(({ id }) => id)).toEqual(["i0", "i1", "i3"]);
    expect(reallocation.granted("i3")).toBeCloseTo(1.16, 9);
  });

  test("those who have less are named before those who have more", () => {
    const looks = cpus(3, 3);
    looks.looks(20, busy);
    const changes = looks.reallocation.called("i0", 2);
    expect(changes.map(({ id }) => id)).toEqual(["i1", "i0"]);
  });

  test("another limit holds at once", () => {
    const looks = cpus(0.5);
    looks.looks(20, busy);
    looks.reallocation.relimit("i0", 0.1);
    expect(looks.reallocation.granted("i0")).toBe(0.1);
    looks.looks(20, busy);
    expect(looks.reallocation.granted("i0")).toBe(0.1);
    looks.reallocation.relimit("i0", 1);
    expect(looks.reallocation.granted("i0")).toBe(1);
  });

  test("no more members than have their floors at once", () => {
    const reallocation = new Reallocation({ ...CPUS, total: 0.05 });
    expect(reallocation.add("a", 1)).not.toBeNull();
    expect(reallocation.add("a", 1)).toBeNull();
    expect(reallocation.add("b", 1)).not.toBeNull();
    expect(reallocation.add("c", 1)).toBeNull();
    reallocation.remove("a");
    expect(reallocation.add("c", 1)).not.toBeNull();
    expect(reallocation.relimit("nobody", 1)).toBeNull();
  });
});

describe("counts of functions", () => {
  test("one that is new has a few, and twice what it uses until it is known", () => {
    const looks = new Looks(new Reallocation(COUNTS));
    looks.reallocation.add("f", 20, 2);
    expect(looks.reallocation.granted("f")).toBe(2);
    looks.look({ id: "f", used: 4 });
    expect(looks.reallocation.granted("f")).toBe(8);
  });

  test("one of which it is said has more than the others in any case", () => {
    const { reallocation } = new Looks(new Reallocation(COUNTS));
    for (const id of ["a", "b", "c"]) reallocation.add(id, 20, 20);
    expect(reallocation.add("kept", 20, 2, 8)).not.toBeNull();
    expect(["a", "b", "c", "kept"].map((id) => reallocation.granted(id))).toEqual([4, 4, 4, 8]);
    expect(reallocation.add("more", 20, 2, 10)).toBeNull();
    expect(reallocation.relimit("kept", 5)).not.toBeNull();
    expect(reallocation.granted("kept")).toBe(5);
  });

  test("calls that wait have what they lack at once", () => {
    const looks = new Looks(new Reallocation(COUNTS));
    looks.reallocation.add("f", 20, 2);
    looks.looks(20, { id: "f", used: 2 });
    expect(looks.reallocation.granted("f")).toBe(2);
    looks.look({ id: "f", used: 6, lacked: 12 });
    expect(looks.reallocation.granted("f")).toBe(12);
  });
});

test("whatever comes, the total is never passed, each has from its floor to its limit, and the same samples give the same grants", () => {
  const ids = ["a", "b", "c", "d", "e", "f"];
  const event = record({
    what: constantFrom("add", "remove", "called", "rested", "relimit", "look", "look", "look"),
    id: constantFrom(...ids),
    amount: double({ min: 0.01, max: 3, noNaN: true }),
    samples: array(
      tuple(
        constantFrom(...ids),
        double({ min: 0, max: 3, noNaN: true }),
        integer({ min: 0, max: 9 }),
        constantFrom(null, 1, Infinity),
      ),
    ),
    ms: integer({ min: 0, max: 3_000 }),
  });
  assert(
    property(array(event, { maxLength: 60, size: "max" }), boolean(), (events, rests) => {
      const settings = { ...CPUS, rests };
      const [one, other] = [new Reallocation(settings), new Reallocation(settings)];
      const limits = new Map<string, number>();
      let nowMs = 0;
      for (const { what, id, amount, samples, ms } of events) {
        nowMs += ms;
        const full = samples.map(([sampled, used, calls, lacked]) => ({ id: sampled, used, calls, lacked }));
        const tell = (reallocation: Reallocation) => {
          if (what === "add") return reallocation.add(id, amount);
          if (what === "remove") return reallocation.remove(id);
          if (what === "rested") return reallocation.rested(id);
          if (what === "called") return reallocation.called(id, Math.ceil(amount));
          return what === "relimit" ? reallocation.relimit(id, amount) : reallocation.sampled(full, nowMs);
        };
        const changes = tell(one);
        expect(tell(other)).toEqual(changes);
        if ((what === "add" || what === "relimit") && changes !== null) limits.set(id, amount);
        if (what === "remove") limits.delete(id);
        let sum = 0;
        for (const [member, limit] of limits) {
          const granted = one.granted(member);
          expect(granted).toBeLessThanOrEqual(limit);
          expect(granted).toBeGreaterThanOrEqual(Math.min(CPUS.floor, limit) - 1e-9);
          sum += granted;
        }
        expect(sum).toBeLessThanOrEqual(CPUS.total + 1e-9);
      }
    }),
  );
});
