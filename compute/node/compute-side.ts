// The compute side of a node: a call gets an instance from the node's book of leases, and runs in this machine's own sandbox hosts where that
// is here, else on the node where it is.

import { LocusError } from "#runtime/errors.ts";
import type { FunctionDescription } from "#runtime/function/description.ts";
import type { FunctionImage, Supervisor } from "#runtime/sandbox/supervisor.ts";
import type { NodeCapacity } from "../capacity/node-capacity.ts";
import { callAt, RUN_AGAIN } from "../capacity/remote-calls.ts";
import { withDeadline } from "./deadline.ts";
import type { FunctionCache } from "./function-cache.ts";
import type { Caller } from "./invoker.ts";
import type { AdmittedCall, SideReply, SideRunner } from "./side-runner.ts";

/** Who runs the calls of a user: the function user's where there is none. Throws SIDE_UNAVAILABLE where nobody does. */
type SupervisorFor = (caller: Caller | undefined) => Pick<Supervisor, "invoke">;

/** Instances that one call is sent to before it runs here without. */
const ATTEMPTS_MAX = 4;

interface ComputeSideOptions {
  readonly supervisorFor: SupervisorFor;
  readonly functions: FunctionCache;
  /** null: nobody schedules instances, and all calls run here. */
  readonly capacity: Pick<NodeCapacity, "book" | "peers"> | null;
}

export class ComputeSide implements SideRunner {
  readonly #supervisorFor: SupervisorFor;
  readonly #functions: FunctionCache;
  readonly #capacity: ComputeSideOptions["capacity"];

  constructor({ supervisorFor, functions, capacity }: ComputeSideOptions) {
    this.#supervisorFor = supervisorFor;
    this.#functions = functions;
    this.#capacity = capacity;
  }

  async run(admitted: AdmittedCall, signal?: AbortSignal): Promise<SideReply> {
    const { call, known, description, deadlineMs } = admitted;
    // Who waits for these waits for this node: Redis, by its attachment here.
    const staysHere = known !== null || call.caller !== undefined || call.mayWrite !== undefined;
    if (this.#capacity === null || staysHere) return this.#runHere(admitted, deadlineMs, signal);
    const { book } = this.#capacity;
    const startedMs = performance.now();
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      let leftMs = attempt === 0 ? deadlineMs : deadlineMs - (performance.now() - startedMs);
      let takenMs = startedMs;
      let instance = book.take(description);
      if (instance === null) {
        instance = await book.wait(description, leftMs, signal);
        takenMs = performance.now();
        leftMs = deadlineMs - (takenMs - startedMs);
      } else if (attempt > 0) takenMs = performance.now();
      if (instance === null) return this.#runHere(admitted, Math.max(1, leftMs), signal);
      let cpuUs = 0;
      try {
        if (instance.isHere) {
          const reply = await this.#runHere(admitted, Math.max(1, leftMs), signal);
          cpuUs = reply.outcome.usage.cpuUs;
          return reply;
        }
        const { peers } = this.#capacity;
        const outcome = peers === null ? RUN_AGAIN : await callAt(peers, instance, admitted, leftMs, signal);
        if (outcome === RUN_AGAIN) book.drop(instance);
        else {
          cpuUs = outcome.usage.cpuUs;
          return { version: description.version, outcome };
        }
      } finally {
        book.done(instance, performance.now() - takenMs, cpuUs);
      }
    }
    return this.#runHere(admitted, Math.max(1, deadlineMs - (performance.now() - startedMs)), signal);
  }

  async #runHere(
    { id, call, description, known }: AdmittedCall,
    deadlineMs: number,
    signal: AbortSignal | undefined,
  ): Promise<SideReply> {
    const held = this.#functions.image(description);
    let image: FunctionImage;
    let remainingMs = deadlineMs;
    if (held instanceof Promise) {
      const startedMs = performance.now();
      const fetched = this.#orCurrent(held, description, call.version);
      const attempted = `fetch the bundle of ${description.name}`;
      image = await withDeadline(fetched, { attempted, timeoutMs: deadlineMs, code: "DEADLINE_EXCEEDED" }, signal);
      remainingMs = Math.max(1, deadlineMs - (performance.now() - startedMs));
    } else {
      image = held;
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
    return { version: image.description.version, outcome };
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
