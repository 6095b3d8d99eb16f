// The compute side of a node: a call gets an instance from the node's book of leases, and runs in this machine's own sandbox hosts where that
// is here, in the instance itself where that is no isolate, else on the node where it is.

import { LocusError } from "#runtime/errors.ts";
import type { FunctionDescription } from "#runtime/function/description.ts";
import type { FunctionImage, Outcome, Supervisor } from "#runtime/sandbox/supervisor.ts";
import type { BookedInstance } from "../capacity/booked-instance.ts";
import { callHere } from "../capacity/calls-here.ts";
import type { NodeCapacity } from "../capacity/node-capacity.ts";
import { callAt, NOT_THERE, RUN_AGAIN } from "../capacity/remote-calls.ts";
import { withDeadline } from "./deadline.ts";
import type { FunctionCache } from "./function-cache.ts";
import type { Caller } from "./invoker.ts";
import type { AdmittedCall, SideReply, SideRunner } from "./side-runner.ts";

/** Who runs the calls of a user: the function user's where there is none. Throws SIDE_UNAVAILABLE where nobody does. */
type SupervisorFor = (caller: Caller | undefined) => Pick<Supervisor, "invoke" | "functionState">;

/** Instances that one call is sent to before it runs here without, as far as it may. */
const ATTEMPTS_MAX = 4;

interface ComputeSideOptions {
  readonly supervisorFor: SupervisorFor;
  readonly functions: Pick<FunctionCache, "find" | "image">;
  /** null: nobody schedules instances, and all calls run here. */
  readonly capacity: Pick<NodeCapacity, "book" | "peers" | "instances"> | null;
}

export class ComputeSide implements SideRunner {
  readonly #supervisorFor: SupervisorFor;
  readonly #functions: ComputeSideOptions["functions"];
  readonly #capacity: ComputeSideOptions["capacity"];

  constructor({ supervisorFor, functions, capacity }: ComputeSideOptions) {
    this.#supervisorFor = supervisorFor;
    this.#functions = functions;
    this.#capacity = capacity;
  }

  run(admitted: AdmittedCall, signal?: AbortSignal): Promise<SideReply> {
    const { call, known, description, deadlineMs } = admitted;
    if (this.#capacity === null) return this.#runHere(admitted, null, deadlineMs, signal);
    // Who waits for these waits for this node: Redis, by its attachment here.
    const staysHere = known !== null || call.caller !== undefined || call.mayWrite !== undefined;
    // One look at the clock is for all: the way of a call that is warm is paid for by each.
    const nowMs = performance.now();
    if (staysHere) {
      return this.#runHere(admitted, instanceHere(this.#capacity, admitted, nowMs), deadlineMs, signal, nowMs);
    }
    const instance = this.#capacity.book.take(description, nowMs);
    // Nothing is waited for but the call.
    if (instance?.isHere === true && this.#capacity.instances === null)
      return this.#runHere(admitted, instance, deadlineMs, signal, nowMs);
    return this.#runAnywhere(this.#capacity, admitted, instance, signal);
  }

  /** `taken`: an instance for the first attempt. */
  async #runAnywhere(
    capacity: NonNullable<ComputeSideOptions["capacity"]>,
    admitted: AdmittedCall,
    taken: BookedInstance | null,
    signal: AbortSignal | undefined,
  ): Promise<SideReply> {
    const { book } = capacity;
    const { description, deadlineMs } = admitted;
    const startedMs = performance.now();
    const leftMs = (): number => Math.max(1, deadlineMs - (performance.now() - startedMs));
    let instance = taken;
    const waited = { forUs: 0, isStart: false };
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      instance ??= book.take(description);
      if (instance === null) {
        const sinceMs = performance.now();
        waited.isStart ||= !book.has(description);
        instance = await book.wait(description, leftMs(), signal, this.#isOpenHere(description));
        waited.forUs += (performance.now() - sinceMs) * 1e3;
      }
      if (instance === null || (instance.isHere && capacity.instances === null))
        return afterWaiting(await this.#runHere(admitted, instance, leftMs(), signal), waited);
      const takenMs = performance.now();
      let ended: Outcome | null = null;
      try {
        const outcome = await callIn(capacity, instance, admitted, leftMs(), signal);
        if (outcome !== RUN_AGAIN && outcome !== NOT_THERE) {
          ended = outcome;
          return afterWaiting({ version: description.version, outcome }, waited);
        }
        book.drop(instance, outcome === NOT_THERE);
      } finally {
        endIn(book, instance, takenMs, ended);
      }
      instance = null;
    }
    const why = `${ATTEMPTS_MAX} in a row took no call`;
    const refusal = book.goWithout(description, "lost", performance.now() - startedMs, { why });
    if (refusal !== null) throw refusal;
    return afterWaiting(await this.#runHere(admitted, null, leftMs(), signal), waited);
  }

  #isOpenHere(description: FunctionDescription): boolean {
    if (this.#capacity?.instances !== null) return false;
    const image = this.#functions.image(description);
    if (!(image instanceof Promise)) return (this.#supervisorFor(undefined).functionState(image)?.isolates ?? 0) > 0;
    // Whoever runs the call hears of a failure.
    image.catch(() => {});
    return false;
  }

  /** In this machine's sandbox hosts. `instance`: null where nobody gave one. */
  async #runHere(
    { id, call, description, known }: AdmittedCall,
    instance: BookedInstance | null,
    deadlineMs: number,
    signal: AbortSignal | undefined,
    startedMs = performance.now(),
  ): Promise<SideReply> {
    let ended: Outcome | null = null;
    try {
      let image = this.#functions.image(description);
      let remainingMs = deadlineMs;
      if (image instanceof Promise) {
        const fetched = this.#orCurrent(image, description, call.version);
        const attempted = `fetch the bundle of ${description.name}`;
        image = await withDeadline(fetched, { attempted, timeoutMs: deadlineMs, code: "DEADLINE_EXCEEDED" }, signal);
        remainingMs = Math.max(1, deadlineMs - (performance.now() - startedMs));
      }
      const { keys, argsJson, logs, mayWrite } = call;
      const invocation = {
        image,
        keys,
        argsJson,
        deadlineMs: remainingMs,
        logs,
        id,
        ...(known === null ? {} : { known }),
        ...(mayWrite === undefined ? {} : { mayWrite }),
      };
      const outcome = await this.#supervisorFor(call.caller).invoke(invocation, signal);
      ended = outcome;
      return { version: image.description.version, outcome };
    } finally {
      if (instance !== null && this.#capacity !== null) endIn(this.#capacity.book, instance, startedMs, ended);
    }
  }

  /** A version that was replaced between admission and fetching is gone; a caller who asked for none gets its successor. */
  async #orCurrent(
    held: Promise<FunctionImage>,
    { name }: FunctionDescription,
    versionAsked: string | null,
  ): Promise<FunctionImage> {
    try {
      return await held;
    } catch (error) {
      if (versionAsked !== null || !(error instanceof LocusError) || error.code !== "VERSION_NOT_FOUND") throw error;
      return this.#functions.image(await this.#functions.find(name, null));
    }
  }
}

/** For a call that stays here. null: it runs without. */
function instanceHere(
  { book, instances }: NonNullable<ComputeSideOptions["capacity"]>,
  { call, description }: AdmittedCall,
  nowMs: number,
): BookedInstance | null {
  // Its host is its user's own, and instances are in the function user's.
  if (call.caller !== undefined) book.without["other-user"]++;
  // What a process or a container runs brings nothing along that was read before, and asks nobody whether it may write.
  else if (instances !== null) book.without["not-here"]++;
  else return book.takeHere(description, nowMs);
  return null;
}

/** In an instance that is none of this machine's isolates. */
function callIn(
  { instances, peers }: NonNullable<ComputeSideOptions["capacity"]>,
  instance: BookedInstance,
  admitted: AdmittedCall,
  deadlineMs: number,
  signal: AbortSignal | undefined,
): ReturnType<typeof callAt> {
  if (instance.isHere && instances !== null) return callHere(instances, instance, admitted, deadlineMs, signal);
  return peers === null ? Promise.resolve(RUN_AGAIN) : callAt(peers, instance, admitted, deadlineMs, signal);
}

/** What a call waited for an instance it waited for an isolate, and where there was none of its function it was being opened. */
function afterWaiting(
  { version, outcome }: SideReply,
  { forUs, isStart }: { readonly forUs: number; readonly isStart: boolean },
): SideReply {
  if (forUs === 0) return { version, outcome };
  const { wallUs, queueUs, startUs } = outcome.usage;
  const more = { wallUs: wallUs + forUs, queueUs: queueUs + forUs, startUs: startUs + (isStart ? forUs : 0) };
  return { version, outcome: { ...outcome, usage: { ...outcome.usage, ...more } } };
}

/** `outcome` null: it came to nothing. */
function endIn(book: NodeCapacity["book"], instance: BookedInstance, startedMs: number, outcome: Outcome | null): void {
  const nowMs = performance.now();
  if (outcome === null) return book.failed(instance, nowMs);
  const lackedMemory = !outcome.ok && outcome.error.code === "MEMORY_LIMIT";
  book.done(instance, nowMs - startedMs, outcome.usage.cpuUs, nowMs, lackedMemory);
}
