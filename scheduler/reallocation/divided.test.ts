import { array, assert, boolean, integer, property, record } from "fast-check";
import { describe, expect, test } from "vitest";
import { Divided, type Use } from "./divided.ts";

const TOTAL = 12;

const use = (key: string, more: Partial<Use> = {}): Use => {
  const { used = 0, held = used } = more;
  return { key, most: TOTAL, least: 1, held, used, lacks: false, ...more };
};

/** Looks that follow each other, each a second after the one before. */
const looking = (divided = new Divided(TOTAL)) => {
  let nowMs = 0;
  const look = (...uses: readonly Use[]) => Object.fromEntries(divided.look(uses, (nowMs += 1_000)));
  const looks = (count: number, ...uses: readonly Use[]) => {
    for (let left = count; left > 1; left--) look(...uses);
    return look(...uses);
  };
  return { look, looks };
};

describe("a total that is divided", () => {
  test("holds nobody back where nobody else wants it", () => {
    const { look } = looking();
    expect(look(use("a", { used: 1 }))).toEqual({ a: TOTAL });
    expect(look(use("a", { used: 1 }), use("b", { used: 1, most: 3 }))).toEqual({ a: 9, b: 3 });
    expect(look(use("a"), use("b", { used: 1, most: 3 }), use("idle"))).toEqual({ a: 9, b: 3 });
  });

  test("leaves what one needs, and what is left over, in equal parts", () => {
    const { looks } = looking();
    const all = [use("steady", { used: 2 }), use("greedy", { used: 12, held: 9, lacks: true }), use("new")];
    expect(looks(15, ...all)).toEqual({ steady: 2, greedy: 10 });
    expect(looks(15, use("steady", { used: 2 }), use("other", { used: 4 }))).toEqual({ steady: 6, other: 6 });
  });

  test("gives more only as others have given it back, and one at least to whoever comes", () => {
    const { look } = looking();
    look(use("a", { used: 12 }));
    expect(look(use("a", { used: 12 }), use("b", { used: 6, held: 0 }))).toEqual({ a: 6, b: 1 });
    expect(look(use("a", { used: 12, held: 10 }), use("b", { used: 6, held: 1 }))).toEqual({ a: 6, b: 2 });
    expect(look(use("a", { used: 12, held: 6 }), use("b", { used: 6, held: 2 }))).toEqual({ a: 6, b: 6 });
  });

  test("grows with what is lacked, and what was allowed in full was not lacked", () => {
    const { looks, look } = looking();
    const rival = use("rival", { used: 12, held: 6, lacks: true });
    expect(looks(15, use("f", { used: 2 }), rival)).toEqual({ f: 2, rival: 10 });
    expect(look(use("f", { used: 2, lacks: true }), rival)).toEqual({ f: 4, rival: 8 });
    expect(look(use("f", { used: 4, lacks: true }), rival)).toEqual({ f: 6, rival: 6 });
  });

  test("has its least for each of more functions than it can be divided among", () => {
    const { looks } = looking();
    const many = Array.from({ length: TOTAL + 3 }, (_, index) => use(`f${index}`, { used: 5, held: 1, lacks: true }));
    expect(looks(3, ...many)).toEqual(Object.fromEntries(many.map(({ key }) => [key, 1])));
    expect(looks(3, ...many.slice(3))).toEqual(Object.fromEntries(many.slice(3).map(({ key }) => [key, 1])));
  });

  test("forgets whoever uses nothing for a while, who has its least then, and at once whoever is gone", () => {
    const { look, looks } = looking();
    const busy = use("busy", { used: 10 });
    look(busy, use("quiet", { used: 1 }));
    expect(looks(60, busy, use("quiet", { held: 1 }))).toEqual({ busy: 10, quiet: 2 });
    expect(look(busy, use("quiet", { held: 1 }))).toEqual({ busy: 12, quiet: 1 });
    expect(look(busy, use("quiet", { held: 1 }))).toEqual({ busy: 12 });
    look(busy, use("gone", { used: 2 }));
    expect(look(busy)).toEqual({ busy: 12 });
  });

  test("knows one whose own limits have changed anew, within them", () => {
    const { look } = looking();
    look(use("f", { used: 4 }), use("g", { used: 12, held: 8, lacks: true }));
    const bounded = look(use("f", { used: 4, most: 3 }), use("g", { used: 12, held: 8, lacks: true }));
    expect(bounded["f"]).toBe(3);
    const kept = look(use("f", { used: 8, held: 3, least: 8 }), use("g", { used: 12, held: 8, lacks: true }));
    expect(kept).toEqual({ f: 8, g: 4 });
  });
});

test("whatever functions want, each has from one to its own limit, and what they have and may have never passes the total", () => {
  const COUNT = 4;
  const limits = array(integer({ min: 1, max: TOTAL }), { minLength: COUNT, maxLength: COUNT });
  const wish = record({ used: integer({ min: 1, max: 20 }), lacks: boolean(), ends: integer({ min: 0, max: 5 }) });
  const looked = array(wish, { minLength: COUNT, maxLength: COUNT });
  assert(
    property(limits, array(looked, { maxLength: 40, size: "max" }), (limits, all) => {
      const { look } = looking();
      const held = limits.map(() => 0);
      for (const wishes of all) {
        const uses = wishes.map(({ used, lacks }, index) => {
          return use(String(index), { most: limits[index]!, held: held[index]!, used, lacks });
        });
        const allowed = look(...uses);
        let sum = 0;
        for (const { key, most, held: has } of uses) {
          expect(allowed[key]).toBeGreaterThanOrEqual(1);
          expect(allowed[key]).toBeLessThanOrEqual(most);
          sum += Math.max(allowed[key]!, has);
        }
        expect(sum).toBeLessThanOrEqual(TOTAL);
        // What is there comes at once, as far as it is allowed, and goes as it ends.
        for (const [index, { used, ends }] of wishes.entries()) {
          const wanted = Math.min(used, allowed[String(index)]!);
          held[index] = Math.max(wanted, held[index]! - ends);
        }
      }
    }),
  );
});
