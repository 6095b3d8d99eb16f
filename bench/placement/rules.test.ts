import { describe, expect, test } from "vitest";
import { NO_USAGE, type Side, type Usage } from "#runtime/profile/sample.ts";
import { asfpRule } from "./asfp-rule.ts";
import { DEFAULT_CONSTANTS } from "#runtime/placement/default-constants.ts";
import { AUTOLOCS_NETWORK, autolocRule, networkHere } from "./autoloc-rule.ts";
import { kayakRule } from "./kayak-rule.ts";
import { sharesRule, type Ended, type Rule } from "./rule.ts";

const ended = (name: string, side: Side, usage: Partial<Usage> = {}, atMs = 0): Ended => ({
  function: name,
  side,
  elapsedUs: 1_000,
  usage: { ...NO_USAGE, ...usage },
  ok: true,
  atMs,
});

const chosen = (rule: Rule, name: string, calls: number): (Side | null)[] =>
  Array.from({ length: calls }, () => rule.choose(name));

describe("fixed shares", () => {
  test("send that part of the calls to storage, as evenly as can be", () => {
    const rule = sharesRule({ half: 0.5, all: 1 });
    expect(chosen(rule, "half", 4)).toEqual(["compute", "storage", "compute", "storage"]);
    expect(chosen(rule, "all", 2)).toEqual(["storage", "storage"]);
    expect(chosen(rule, "other", 2)).toEqual(["compute", "compute"]);
    const tenths = chosen(sharesRule({ f: 0.1 }), "f", 1_000);
    expect(tenths.filter((side) => side === "storage")).toHaveLength(100);
  });
});

describe("ASFP's rule", () => {
  test("starts everything at storage, however dear, until four wait", () => {
    const rule = asfpRule(1);
    rule.observe(ended("f", "compute", { cpuUs: 1_000 }));
    expect(chosen(rule, "f", 7)).toEqual([...Array.from({ length: 5 }, () => "storage"), "compute", "compute"]);
    rule.observe(ended("f", "storage", { cpuUs: 1_000 }));
    expect(chosen(rule, "f", 2)).toEqual(["storage", "compute"]);
  });

  test("pushes nothing back that computes no more than its reads cost the store anyway", () => {
    const rule = asfpRule(1);
    rule.observe(ended("f", "compute", { cpuUs: 6, operations: 10 }));
    expect(new Set(chosen(rule, "f", 20))).toEqual(new Set(["storage"]));
  });
});

describe("AutoLoc's rule", () => {
  test("leaves a call at storage while its computing is cheaper than moving its data", () => {
    const rule = autolocRule(AUTOLOCS_NETWORK);
    expect(rule.choose("walk")).toBe("storage");
    rule.observe(ended("walk", "storage", { cpuUs: 1_000, rounds: 5, bytesIn: 50_000 }));
    expect(rule.choose("walk")).toBe("storage");
    rule.observe(ended("hash", "storage", { cpuUs: 1_000, rounds: 1, bytesIn: 100 }));
    expect(rule.choose("hash")).toBe("compute");
    rule.observe(ended("hash", "compute", { cpuUs: 100, rounds: 1, bytesIn: 100 }));
    expect(rule.choose("hash")).toBe("storage");
  });

  test("gives less credit for reads where the network is nearer", () => {
    const compute = { ...DEFAULT_CONSTANTS.compute, roundWaitUs: 50, bytesPerUs: 1_000 };
    const [there, here] = [AUTOLOCS_NETWORK, networkHere({ ...DEFAULT_CONSTANTS, compute })].map(autolocRule);
    for (const rule of [there!, here!]) {
      rule.observe(ended("chain", "storage", { cpuUs: 500, rounds: 4, bytesIn: 500 }));
      rule.observe(ended("walk", "storage", { cpuUs: 200, rounds: 4, bytesIn: 500 }));
    }
    expect(["chain", "walk"].map((name) => there!.choose(name))).toEqual(["storage", "storage"]);
    expect(["chain", "walk"].map((name) => here!.choose(name))).toEqual(["compute", "storage"]);
  });
});

describe("Kayak's rule", () => {
  /** The share at storage after a while of replies at a rate that depends on it. */
  function shareAfter(seconds: number, rateAt: (share: number) => number): number {
    let drawn = 0;
    const rule = kayakRule(() => (drawn = (drawn + 0.618_034) % 1));
    const share = () => chosen(rule, "f", 200).filter((side) => side === "storage").length / 200;
    let ms = 0;
    for (let period = 0; period < seconds * 10; period++) {
      const rate = rateAt(share());
      for (let reply = 0; reply <= rate / 10; reply++) rule.observe(ended("f", "storage", {}, (ms += 1e3 / rate)));
    }
    return share();
  }

  test("climbs to the share at which most is done, and stays about there", () => {
    for (const seconds of [20, 21, 22, 23]) {
      const share = shareAfter(seconds, (x) => 2_000 - 1_500 * Math.abs(x - 0.4));
      expect(share).toBeGreaterThan(0.2);
      expect(share).toBeLessThan(0.6);
    }
  });

  test("takes no pause of its load for a lower rate", () => {
    let drawn = 0;
    const rule = kayakRule(() => (drawn = (drawn + 0.618_034) % 1));
    const share = () => chosen(rule, "f", 1_000).filter((side) => side === "storage").length / 1_000;
    let ms = 0;
    const reply = (replies: number): void => {
      for (let at = 0; at < replies; at++) rule.observe(ended("f", "storage", {}, (ms += 0.5)));
    };
    // As much is done whatever the share: it goes by one percent in each period of 0.1 s.
    reply(4_000);
    const before = share();
    ms += 10_000;
    rule.resume?.();
    reply(202);
    expect(Math.abs(share() - before)).toBeLessThan(0.03);
  });

  test("does not leave storage far where that is best", () => {
    expect(shareAfter(20, (x) => 1_000 + 1_000 * x)).toBeGreaterThan(0.75);
  });
});
