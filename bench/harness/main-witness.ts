// A witness of one core, in a process of its own that is held to it. Started by `witness.ts`. It costs 0.2 to 0.35 % of the core.

import { pbkdf2Sync } from "node:crypto";
import { CorePace } from "./core-pace.ts";
import { servePeer } from "./peer-process.ts";
import type { WitnessRequest } from "./witness.ts";

/** Of a measurement of a second it has ten samples then. */
const SAMPLE_EVERY_MS = 100;
/** 32 µs on a core of an AMD EPYC that is quick, 45 µs on one that is not; and before it so many, by which caches are warm, whoever ran in between. */
const ROUNDS = 200;
const ROUNDS_BEFORE = 20;
/** Until V8 has compiled what is around it. */
const WARM_UPS = 500;

const work = (rounds: number): void => void pbkdf2Sync("password", "salt", rounds, 32, "sha256");

/** Of this process, all but one of whose threads idle. The thread's own is brought up to date by the kernel's ticks alone, every few ms. */
function cpuUs(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

function sampleUs(): number {
  work(ROUNDS_BEFORE);
  const beforeUs = cpuUs();
  work(ROUNDS);
  return cpuUs() - beforeUs;
}

for (let done = 0; done < WARM_UPS; done++) sampleUs();
const pace = new CorePace();
setInterval(() => pace.add(sampleUs(), performance.now()), SAMPLE_EVERY_MS);
servePeer(async ({ lastMs }: WitnessRequest): Promise<number> => pace.slowdown(lastMs, performance.now()));
