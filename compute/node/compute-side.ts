// The compute side of a node: calls run in this machine's own sandbox hosts.

import { LocusError } from "#runtime/errors.ts";
import type { FunctionDescription } from "#runtime/function/description.ts";
import type { FunctionImage, Supervisor } from "#runtime/sandbox/supervisor.ts";
import { withDeadline } from "./deadline.ts";
import type { FunctionCache } from "./function-cache.ts";
import type { Caller } from "./invoker.ts";
import type { AdmittedCall, SideReply, SideRunner } from "./side-runner.ts";

/** Who runs the calls of a user: the function user's where there is none. Throws SIDE_UNAVAILABLE where nobody does. */
type SupervisorFor = (caller: Caller | undefined) => Pick<Supervisor, "invoke">;

export class ComputeSide implements SideRunner {
  readonly #supervisorFor: SupervisorFor;
  readonly #functions: FunctionCache;

  constructor(supervisorFor: SupervisorFor, functions: FunctionCache) {
    this.#supervisorFor = supervisorFor;
    this.#functions = functions;
  }

  async run({ id, call, description, deadlineMs, known }: AdmittedCall, signal?: AbortSignal): Promise<SideReply> {
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
