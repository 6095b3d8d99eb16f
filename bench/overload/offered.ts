// The rows of `overload`: what is answered of what is offered, by how much that is, and by which door it comes.

import { join } from "node:path";
import { linePlotSvg } from "#runtime/plot.ts";
import type { Measure, Peer, Row } from "../harness/contest.ts";
import { startPeer } from "../harness/peer-process.ts";
import { watchCpu } from "../harness/processes.ts";
import { assertOnlyRefused, type Calls, type Phase } from "../placement/load.ts";
import { fixed } from "../placement/measure.ts";
import { answeredPerSecond, cameOf } from "../placement/rates.ts";
import type { RuleName } from "../placement/rule-names.ts";
import type { Part } from "../placement/schedule.ts";
import type { SplitStack } from "../placement/split-stack.ts";
import type { HttpLoadRequest } from "./main-http-load.ts";

const HTTP_PROGRAM = join(import.meta.dirname, "main-http-load.ts");

/** Of the capacity. */
export const OFFERED = [0.5, 1, 1.5, 2, 3] as const;
/** The same through the gateway. */
export const OFFERED_HTTP = [1, 3] as const;
const SIDES = ["auto", "compute", "storage"] as const;

type Where = (typeof SIDES)[number];

export const offeredRow = (load: string, where: Where, offered: number): string => `${load}, ${where}, ${offered}×`;

export const httpRow = (load: string, offered: number): string => `${load}, auto over HTTP, ${offered}×`;

export interface OfferedLoad {
  readonly name: string;
  readonly parts: readonly Part[];
  /** Calls per second that the best fixed shares came to with callers who wait. */
  readonly capacity: number;
}

interface Times {
  readonly leadInMs: number;
  readonly budgetMs: number;
}

export const offeredPeers = (
  stack: SplitStack,
  { name, parts, capacity }: OfferedLoad,
  times: Times,
): readonly Peer[] =>
  SIDES.flatMap((where) =>
    OFFERED.map((offered) => ({
      name: offeredRow(name, where, offered),
      unit: "calls/s",
      run: async () => {
        const phase = phaseOf(parts, offered * capacity, times);
        const request = {
          kind: "load",
          phases: [phase],
          rule: ruleOf(where, parts),
          memory: `${name}, ${where}`,
        } as const;
        const calls = await stack.load.ask<Calls>(request);
        return measureOf(calls, phase, times);
      },
    })),
  );

/** Under locus, from a client in a process of its own, on the node's cores. */
export async function httpPeers(
  stack: SplitStack,
  { name, parts, capacity }: OfferedLoad,
  times: Times,
  resources: AsyncDisposableStack,
): Promise<readonly Peer[]> {
  const url = await stack.load.ask<string>({ kind: "listen" });
  const client = await startPeer<HttpLoadRequest>(HTTP_PROGRAM, [], resources);
  return OFFERED_HTTP.map((offered) => ({
    name: httpRow(name, offered),
    unit: "calls/s",
    run: async () => {
      const { load, computeHost } = stack.processes();
      const groups = { node: load, computeHost, client: [client.pid] };
      const phase = phaseOf(parts, offered * capacity, times);
      const { answer, cpuUs } = await watchCpu(groups, () => client.ask<Calls>({ url, phases: [phase] }));
      const { details, ...measure } = measureOf(answer, phase, times);
      const asked = answer.endMs.length;
      const each = { nodeCpuUsPerCall: cpuUs.node / asked, clientCpuUsPerCall: cpuUs.client / asked };
      return { ...measure, details: { ...details, ...each } };
    },
  }));
}

const phaseOf = (parts: readonly Part[], perSecond: number, { leadInMs, budgetMs }: Times): Phase => ({
  ms: leadInMs + budgetMs,
  parts,
  arrivals: { perSecond },
});

function measureOf(calls: Calls, { parts, arrivals }: Phase, { leadInMs, budgetMs }: Times): Measure {
  assertOnlyRefused("what is offered", calls, arrivals);
  const [fromMs, toMs] = [leadInMs, leadInMs + budgetMs];
  const { p50Us, p99Us, storageShare, failed } = cameOf(calls, parts, fromMs, toMs);
  const value = answeredPerSecond(calls, parts, fromMs, toMs);
  return { value, p50Us, p99Us, details: { storageShare, refused: failed } };
}

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
