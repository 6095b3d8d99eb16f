// A node's word with the scheduler: a beat every half second says what the node has, what its leases did and which it gives back, and hears which are
// over. While nobody answers the node goes on with what it holds until that expires.

import type { Logger } from "pino";
import { LocusError } from "#runtime/errors.ts";
import { every, type Repeated } from "#runtime/shared-timer.ts";
import type {
  CapacityDesk,
  HostedInstance,
  LeaseAnswer,
  LeaseWanted,
  NodeBeat,
} from "#scheduler/grpc/capacity-desk.ts";
import { LEASE_MS } from "#scheduler/service/live-desk.ts";
import type { DividedThreads } from "./divided-threads.ts";
import type { LeaseBook } from "./lease-book.ts";

const BEAT_MS = 500;
/** Of one beat: a scheduler that answers no sooner counts as away. */
const ANSWER_MS = 1_000;

export interface CapacityLinkOptions {
  readonly book: LeaseBook;
  /** Who gives instances now; null: nobody does. */
  readonly desk: () => CapacityDesk | null;
  readonly describe: () => Pick<
    NodeBeat,
    "nodeId" | "address" | "port" | "memoryMb" | "availableMb" | "cpus" | "scaled" | "scaledVersion"
  >;
  readonly hosted: () => Promise<readonly HostedInstance[]>;
  /** null: they are divided where this node's scheduler is, or not at all. */
  readonly threads: Pick<DividedThreads, "seen" | "answered"> | null;
  readonly log: Pick<Logger, "info" | "warn">;
  readonly nowMs: () => number;
}

export class CapacityLink {
  readonly #options: CapacityLinkOptions;
  readonly #beats: Repeated;
  /** Of a beat that does not wait for its time. */
  #soon: NodeJS.Timeout | undefined;
  #isBeating = false;
  #beating: Promise<void> = Promise.resolve();
  /** At first: when it began. A node that starts is given time to find who schedules. */
  #answeredMs: number;
  #beatenMs: number;
  /** When the last one was turned to, whatever it has to look at first. */
  #turnedMs = -Infinity;
  /** Of the last beat. Nobody waits for one who does not answer even that. */
  #hasFailed = false;
  /** What was last said of the scheduler, so that it is said once. */
  #isAway = false;
  #isClosed = false;

  constructor(options: CapacityLinkOptions) {
    this.#options = options;
    this.#beatenMs = options.nowMs();
    this.#answeredMs = this.#beatenMs;
    this.#beats = every(BEAT_MS, () => this.#tick());
    this.hurry();
  }

  lease(wanted: LeaseWanted, signal: AbortSignal): Promise<LeaseAnswer> {
    const desk = this.#options.desk();
    if (desk === null) return Promise.reject(new LocusError("PEER_UNAVAILABLE", "nobody schedules instances now"));
    if (this.#hasFailed)
      return Promise.reject(new LocusError("PEER_UNAVAILABLE", "the scheduler did not answer lately"));
    return desk.lease(wanted, signal);
  }

  /** A beat at once: the scheduler is another one. None of a node that leaves: it would come back by it. */
  hurry(): void {
    if (this.#isBeating || this.#isClosed) return;
    clearTimeout(this.#soon);
    this.#soon = setTimeout(() => this.#turn(), 0).unref();
  }

  /** Says that this node leaves, and gives back what it holds. Does not wait longer for an answer than for any. */
  async leave(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#beats.stop();
    clearTimeout(this.#soon);
    await this.#beating;
    this.#options.book.close();
    await this.#beat(true);
  }

  /** Not so soon after one that was hurried: what is not used within a few beats goes back. */
  #tick(): void {
    if (this.#options.nowMs() - this.#turnedMs >= BEAT_MS / 2) this.#turn();
  }

  /** Not while an answer is on its way. */
  #turn(): void {
    if (this.#isBeating) return;
    clearTimeout(this.#soon);
    this.#isBeating = true;
    this.#turnedMs = this.#options.nowMs();
    this.#beating = this.#beat(false).finally(() => (this.#isBeating = false));
  }

  /** Never rejects. */
  async #beat(isLeaving: boolean): Promise<void> {
    const { book, desk: deskNow, describe, hosted, threads, nowMs } = this.#options;
    const desk = deskNow();
    const late = new AbortController();
    let timer: NodeJS.Timeout | undefined;
    try {
      const instances = isLeaving ? [] : await hosted();
      const atMs = nowMs();
      const leases = book.uses(Math.max(1, atMs - this.#beatenMs));
      const waits = book.waits();
      this.#beatenMs = atMs;
      const { returned, broken } = book.returning;
      if (desk === null) throw new LocusError("PEER_UNAVAILABLE", "no node controls, as far as this one knows");
      const seen = threads?.seen ?? null;
      const beat = { ...describe(), isLeaving, instances, leases, waits, returned, broken, threads: seen };
      // The time is the scheduler's alone: none of what this node took to look at its instances. One that is left to run would wake an idle node.
      timer = setTimeout(() => late.abort(unanswered()), ANSWER_MS).unref();
      const answer = await desk.beat(beat, late.signal);
      book.answered(answer, [...returned, ...broken]);
      threads?.answered(answer.threads);
      this.#answeredMs = atMs;
      this.#hasFailed = false;
      this.#tell(false, "");
    } catch (error) {
      this.#hasFailed = true;
      book.askAnew();
      if (nowMs() - this.#answeredMs < LEASE_MS) return;
      book.expireAll();
      const { message } = (late.signal.aborted ? late.signal.reason : error) as Error;
      this.#tell(true, message);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Once, until it is otherwise. */
  #tell(isAway: boolean, reason: string): void {
    if (isAway === this.#isAway || this.#isClosed) return;
    this.#isAway = isAway;
    const { log } = this.#options;
    if (isAway) log.warn({ reason }, "no scheduler answers: calls run here, without instances");
    else log.info("the scheduler answers again");
  }
}

const unanswered = (): LocusError =>
  new LocusError("DEADLINE_EXCEEDED", `the scheduler has not answered a beat within ${ANSWER_MS} ms`);
