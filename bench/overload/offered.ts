// The rows of `overload`: what is answered of what is offered, by how much that is.

import { linePlotSvg } from "#runtime/plot.ts";
import type { Peer, Row } from "../harness/contest.ts";
import type { Calls } from "../placement/load.ts";
import { fixed } from "../placement/measure.ts";
import { cameOf } from "../placement/rates.ts";
import type { RuleName } from "../placement/rule-names.ts";
import type { Part } from "../placement/schedule.ts";
import type { SplitStack } from "../placement/split-stack.ts";

/** Of the capacity. */
export const OFFERED = [0.5, 1, 1.5, 2, 3] as const;
const SIDES = ["auto", "compute", "storage"] as const;

type Where = (typeof SIDES)[number];

export const offeredRow = (load: string, where: Where, offered: number): string => `${load}, ${where}, ${offered}×`;

export interface OfferedLoad {
  readonly name: string;
  readonly parts: readonly Part[];
  /** Calls per second that the best fixed shares came to with callers who wait. */
  readonly capacity: number;
}

export const offeredPeers = (
  stack: SplitStack,
  { name, parts, capacity }: OfferedLoad,
  { leadInMs, budgetMs }: { readonly leadInMs: number; readonly budgetMs: number },
): readonly Peer[] =>
  SIDES.flatMap((where) =>
    OFFERED.map((offered) => ({
      name: offeredRow(name, where, offered),
      unit: "calls/s",
      run: async () => {
        const phases = [{ ms: leadInMs + budgetMs, parts, arrivals: { perSecond: offered * capacity } }];
        const request = { kind: "load", phases, rule: ruleOf(where, parts), memory: `${name}, ${where}` } as const;
        const calls = await stack.load.ask<Calls>(request);
        const { perSecond, p50Us, p99Us, storageShare, failed } = cameOf(calls, leadInMs, leadInMs + budgetMs);
        return { value: perSecond, p50Us, p99Us, details: { storageShare, refused: failed } };
      },
    })),
  );

const ruleOf = (where: Where, parts: readonly Part[]): RuleName =>
  where === "auto"
    ? { kind: "auto" }
    : fixed(Object.fromEntries(parts.map(({ function: name }) => [name, where === "storage" ? 1 : 0])));

export const offeredPlot = (load: string, rows: readonly Row[]): string =>
  linePlotSvg({
    title: `${load}: answered of what was offered`,
    xUnit: "of capacity",
    yUnit: "calls/s",
    lines: Object.fromEntries(
      SIDES.map((where) => [
        where,
        OFFERED.map((offered) => {
          const row = rows.find(({ name }) => name === offeredRow(load, where, offered));
          return [offered, row?.median ?? 0] as const;
        }),
      ]),
    ),
  });
