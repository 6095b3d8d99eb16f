// `locus placement | why | pin | weigh | free`: where functions run, why there, and saying where they shall.

import type { Command } from "commander";

import { percentText } from "#runtime/figures.ts";
import { isSide } from "#runtime/placement/choose-side.ts";
import type { Side } from "#runtime/profile/sample.ts";
import type { PlacementRules } from "../gateway/placement-routes.ts";
import { P99_MS_RANGE, SHARE_RANGE, WEIGHT_RANGE } from "../placement/stored-rules.ts";
import { asksNode, FUNCTION, type Asking, type NodeFlags } from "./node-command.ts";
import { numberWithin } from "./option.ts";
import { overviewText, summaryText } from "./placement-text.ts";

type WeighFlags = NodeFlags & { readonly weight?: number; readonly p99Under?: number | "none" };

export const addPlacementCommands = (program: Command): void => {
  program
    .command("placement")
    .description("where each function runs, and how busy that keeps each part; why tells of one")
    .action(
      asksNode(
        ({ node }) => node.placement(),
        (overview) => overviewText(overview, Date.now()),
      ),
    );

  program
    .command("why")
    .description("why a function runs where it does: its costs on both sides, and its last moves")
    .argument(...FUNCTION)
    .action(
      asksNode(
        ({ node }, name: string) => node.explain(name),
        (summary) => summaryText(summary, Date.now()),
      ),
    );

  program
    .command("pin")
    .description("run a function on one side, or a share of its calls at storage, until it is freed")
    .argument(...FUNCTION)
    .argument("<where>", "compute, storage, or a share at storage from 0 to 1", whereOf)
    .action(asksNode(({ node }, name: string, where: Side | number) => node.rule(name, { pin: where }), rulesText));

  program
    .command("weigh")
    .description("say how much a function's callers count, or what their 99th percentile shall stay under")
    .argument(...FUNCTION)
    .option(
      "--weight <number>",
      `how much a µs of its callers' time counts, from ${WEIGHT_RANGE.min} to ${WEIGHT_RANGE.max}; 1 is usual`,
      weightOf,
    )
    .option(
      "--p99-under <ms>",
      `leave a side whose 99th percentile is above it while the other's is below, from ${P99_MS_RANGE.min} to ${P99_MS_RANGE.max}; none: no side is left for that`,
      boundOf,
    )
    .action(asksNode(weigh, rulesText));

  program
    .command("free")
    .description("take back all that was said of where a function shall run")
    .argument(...FUNCTION)
    .action(
      asksNode(
        async ({ node }, name: string) => {
          await node.free(name);
          return { freed: name };
        },
        ({ freed }) => `freed ${freed}: it stays where it is until locus has reason to move it`,
      ),
    );
};

const weigh = ({ node, flags: { weight, p99Under } }: Asking<WeighFlags>, name: string): Promise<PlacementRules> =>
  node.rule(name, {
    ...(weight === undefined ? {} : { weight }),
    ...(p99Under === undefined ? {} : { p99UnderMs: p99Under === "none" ? null : p99Under }),
  });

const shareOf = numberWithin(SHARE_RANGE, (range) => `compute, storage, or a share ${range}`);
const weightOf = numberWithin(WEIGHT_RANGE);
const p99MsOf = numberWithin(P99_MS_RANGE, (range) => `a number ${range}, or none`);

const whereOf = (text: string): Side | number => (isSide(text) ? text : shareOf(text));

const boundOf = (text: string): number | "none" => (text === "none" ? text : p99MsOf(text));

const rulesText = ({ function: name, pin, weight, p99UnderMs }: PlacementRules): string => {
  const where = pin === null ? "free" : `pinned, ${percentText(pin)} at storage`;
  return `${name}: ${where}, weight ${weight}${p99UnderMs === null ? "" : `, p99 under ${p99UnderMs} ms`}`;
};
