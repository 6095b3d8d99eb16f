// What breaks in an episode, and when: drawn from the seed and the episode's number alone, so that both bring the same
// faults back. Pure; `faults.ts` does it.

import { seededRandom } from "#runtime/seeded-random.ts";

/** The processes that are started for a soak. */
export const MEMBERS = ["master", "replica", "node1", "node2"] as const;
export type Member = (typeof MEMBERS)[number];
/** Whose connections to the master go over a network that can fail. */
export const LINKS = ["node1", "node2", "replica"] as const;
export type Link = (typeof LINKS)[number];
export type Subject = Member | `link ${Link}`;

/**
 * `stop` is SIGSTOP, and SIGCONT when its time is over; `kill` is SIGKILL and `end` SIGTERM, and a start when its time is over.
 * `failover` makes the replica the master and the master its replica, in good order; `promote` after the master has been killed, which
 * comes back as a replica when its time is over.
 */
type FaultKind =
  | "kill-host"
  | "stop-host"
  | "kill"
  | "end"
  | "stop"
  | "cut"
  | "half-close"
  | "stall"
  | "slow"
  | "failover"
  | "promote";

export interface Fault {
  readonly kind: FaultKind;
  /** For a sandbox host: the process whose host it is. */
  readonly subject: Subject;
  /** From the beginning of the episode. */
  readonly atMs: number;
  readonly lastsMs: number;
  /** From 0 to 1: which of several hosts, how slow a network. */
  readonly pick: number;
}

interface KindOfFault {
  readonly kind: FaultKind;
  readonly subjects: readonly Subject[];
  readonly weight: number;
  readonly lastsMs: readonly [number, number];
}

const NETWORK: readonly Subject[] = LINKS.map((link) => `link ${link}` as const);
/** Hosts die often, since that is cheap and there is most to get wrong; Redis less, since all stand still while it is away. */
const KINDS: readonly KindOfFault[] = [
  { kind: "kill-host", subjects: MEMBERS, weight: 6, lastsMs: [0, 0] },
  { kind: "stop-host", subjects: MEMBERS, weight: 4, lastsMs: [100, 4_000] },
  { kind: "kill", subjects: MEMBERS, weight: 3, lastsMs: [0, 1_500] },
  { kind: "end", subjects: MEMBERS, weight: 1, lastsMs: [0, 1_500] },
  { kind: "stop", subjects: MEMBERS, weight: 3, lastsMs: [100, 4_000] },
  { kind: "cut", subjects: NETWORK, weight: 3, lastsMs: [0, 2_000] },
  { kind: "half-close", subjects: NETWORK, weight: 2, lastsMs: [0, 0] },
  { kind: "stall", subjects: NETWORK, weight: 2, lastsMs: [100, 4_000] },
  { kind: "slow", subjects: NETWORK, weight: 2, lastsMs: [500, 4_000] },
  { kind: "failover", subjects: ["master"], weight: 2, lastsMs: [0, 0] },
  { kind: "promote", subjects: ["master"], weight: 2, lastsMs: [0, 1_500] },
];
/** To change places both servers and all that leads to them have to be left alone. */
const OF_PROMOTION: readonly Subject[] = ["master", "replica", ...NETWORK];
const WEIGHTS = KINDS.reduce((sum, { weight }) => sum + weight, 0);

/** Between two faults, on average. */
const GAP_MEAN_MS = 700;
/** What was broken is left alone for so long: it has to be seen to work again. */
const REST_MS = 700;

export const isPromotion = ({ kind }: Fault): boolean => kind === "failover" || kind === "promote";

/** What it breaks, or needs whole. */
export const subjectsOf = (fault: Fault): readonly Subject[] => (isPromotion(fault) ? OF_PROMOTION : [fault.subject]);

/** In the order of their times. Every fault is over at `durationMs`; no two are on one subject at once. */
export function faultSchedule(seed: number, episode: number, durationMs: number): readonly Fault[] {
  const random = seededRandom(mix(seed, episode, 1));
  const freeAtMs = new Map<Subject, number>();
  const faults: Fault[] = [];
  for (let atMs = gap(random()); atMs < durationMs; atMs += gap(random())) {
    // All are drawn, whether used or not: what one fault is does not change those after it.
    const { kind, subjects: all, lastsMs } = kindAt(random() * WEIGHTS);
    const subject = all[Math.floor(random() * all.length)] ?? "master";
    const fault = { kind, subject, atMs, lastsMs: Math.round(between(lastsMs, random())), pick: random() };
    const untilMs = atMs + fault.lastsMs;
    const subjects = subjectsOf(fault);
    if (untilMs > durationMs || subjects.some((one) => (freeAtMs.get(one) ?? 0) > atMs)) continue;
    for (const one of subjects) freeAtMs.set(one, untilMs + REST_MS);
    faults.push(fault);
  }
  return faults;
}

/** A seed for one of several streams of an episode. */
export const mix = (seed: number, episode: number, stream: number): number =>
  Math.imul(seed, 0x01000193) ^ Math.imul(episode + 1, 0x9e3779b1) ^ Math.imul(stream, 0x85ebca6b);

export const describeFault = ({ kind, subject, atMs, lastsMs }: Fault): string =>
  `${kind} ${subject} at ${atMs} ms${lastsMs > 0 ? ` for ${lastsMs} ms` : ""}`;

/** Exponential: faults come in bunches as well as alone. */
const gap = (random: number): number => Math.ceil(-Math.log(1 - random) * GAP_MEAN_MS);

export const between = ([from, to]: readonly [number, number], random: number): number => from + (to - from) * random;

function kindAt(weight: number): KindOfFault {
  let left = weight;
  for (const kind of KINDS) {
    left -= kind.weight;
    if (left < 0) return kind;
  }
  throw new Error(`${weight} is beyond all weights`);
}
