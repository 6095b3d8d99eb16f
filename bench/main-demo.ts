// `./build.sh demo`: the same function over the same graph through an ordinary client, on the compute side, next to the data, and
// where locus chooses, one call at a time, with the numbers side by side, and why it runs there; then one of the other kind. About a
// minute.

import { availableParallelism, loadavg } from "node:os";
import { setTimeout } from "node:timers/promises";
import type { Summary } from "#compute/cli/summary.ts";
import { counted } from "#runtime/counted.ts";
import type { PlacementSummary } from "#compute/placement/answers.ts";
import { checkAgreement } from "./agreement.ts";
import { comparisonText, type Way } from "./comparison.ts";
import { inForeground } from "./foreground.ts";
import type { Tool } from "#test/tool.ts";
import { openStack, type Stack } from "./stack.ts";

const CALLS = 1_000;
/** Results compared between the ways: at most one group of `batch`. */
const COMPARED = 64;
const WORK = ["khop", "1", String(CALLS)];
/** A trial is over by then, or broken off; visits that nobody's calls make any more are not. */
const SETTLED_WITHIN_MS = 3_000;
const LOOK_MS = 100;
const WAYS: readonly { readonly name: string; readonly tool: Tool; readonly flags: readonly string[] }[] = [
  { name: "an ordinary client", tool: "redisclient", flags: [] },
  { name: "locus, compute side", tool: "batch", flags: ["--side", "compute", "--concurrency", "1"] },
  { name: "locus, next to the data", tool: "batch", flags: ["--side", "storage", "--concurrency", "1"] },
  { name: "locus, where it chooses", tool: "batch", flags: ["--concurrency", "1"] },
];
/** Sides that do as much to within this differ by chance: rows differ so from one run to the next. */
const EVEN_TIMES = 1.15;
/** One small write, and computing. */
const HASH = [
  "hash-password",
  "1",
  "1000",
  "--args",
  '{"action":"create","user":"ada","password":"difference engine","iterations":1000}',
];

console.log("Starting Redis with the locus module, and a node …");
await inForeground(async (resources, signal) => demo(await openStack({ httpPort: 0, signal }, resources)));

async function demo(stack: Stack): Promise<void> {
  await show(stack, "locus", "load", "wordnet");
  await show(stack, "locus", "deploy", "functions/khop.ts", "functions/hash-password.ts");
  const ways: Way[] = [];
  console.log(
    "Each way, and then password hashes, begin with calls that do not count: the first would compile for the others.",
  );
  for (const { name, tool, flags } of WAYS) {
    await stack.run(tool, ...WORK, ...flags);
    console.log(`$ ${[tool, ...WORK, ...flags].join(" ")}`);
    ways.push({ name, summary: JSON.parse(await stack.run(tool, ...WORK, ...flags, "--json")) as Summary });
  }
  // Before others are called, or the same for the nodes that are compared: it may be elsewhere then, for another reason.
  const why = await whyText(stack, "khop");
  await checkAgreement(stack, "khop", COMPARED);
  console.log(
    `\n${CALLS} walks over WordNet, two hops each, one at a time; the first ${COMPARED} agree in all ways.\n`,
  );
  console.log(comparisonText(ways));
  console.log(`\n${readingOf(ways)}\n`);
  console.log(`${why}\n`);
  console.log(`$ batch ${HASH.map(quoted).join(" ")}`);
  await stack.run("batch", ...HASH);
  console.log(resultOf(JSON.parse(await stack.run("batch", ...HASH, "--json")) as Summary));
  console.log(`\n${await whyText(stack, "hash-password")}`);
  console.log("\nNext: ./build.sh up, then docs/getting-started.md");
}

/** As a shell takes it. */
function quoted(word: string): string {
  return /^[\w./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

function resultOf({ ok, calls, callsPerSecond, sides = { compute: 0, storage: 0 } }: Summary): string {
  const places = Object.entries(sides).map(([side, count]) => `${count} at ${side}`);
  return `${ok} of ${counted(calls, "call")} went well, ${Math.round(callsPerSecond)} a second; ${places.join(", ")}`;
}

/** In a sentence, when nothing is being tried, if that is soon; `locus why` shows the figures behind it. */
async function whyText(stack: Stack, name: string): Promise<string> {
  const untilMs = performance.now() + SETTLED_WITHIN_MS;
  for (;;) {
    const { state, reason } = JSON.parse(await stack.run("locus", "why", name, "--json")) as PlacementSummary;
    if (state !== "probing" || performance.now() >= untilMs)
      return `Why is ${name} where it is (${state})? ${reason ?? ""}`;
    await setTimeout(LOOK_MS);
  }
}

/** Why the rows are where they are, and how far they may be believed. */
function readingOf(ways: readonly Way[]): string {
  const rounds = ways.map(({ summary }) => Number(summary.roundsPerCall?.toPrecision(3)));
  const [compute, storage] = ways.slice(1, 3).map(({ summary }) => summary.callsPerSecond);
  const times = Math.max(compute! / storage!, storage! / compute!);
  const doesMore = (side: string, other: string): string =>
    `here the ${side} side does ${times.toFixed(1)} times what ${other} does`;
  const [paid, does] =
    times < EVEN_TIMES
      ? ["just pay", "here either side does about as much"]
      : compute! >= storage!
        ? ["hardly pay", doesMore("compute", "storage")]
        : ["pay", doesMore("storage", "compute")];
  const load = loadavg()[0]!;
  const isBusy = load > availableParallelism() + 1;
  const caveat = `\n\nThis machine was busy in the last minute (load average ${load.toFixed(1)}, cores ${availableParallelism()}): each row may be off by half.`;
  return `How to read it: a walk waits for Redis once per round, ${rounds[0]} times in the client and ${rounds[1]} in locus, which sends what a
function asks for at once together. Next to the data a round costs less still, but a call has further to go, from the node to Redis
and on to its sandbox. ${rounds[2]} rounds on one machine ${paid} for that: ${does}, and
either may do more from one run to the next. Walks with more dependent reads, or a network in
between, set them apart: docs/benchmarks.md (khop walks five hops).
What follows is what locus knows of all calls so far, of which the newer ones count more.${isBusy ? caveat : ""}`;
}

async function show(stack: Stack, tool: Tool, ...argv: readonly string[]): Promise<void> {
  console.log(`$ ${[tool, ...argv].join(" ")}`);
  process.stdout.write(await stack.run(tool, ...argv));
}
