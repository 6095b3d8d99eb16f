// The compute side of a node: calls run in this machine's own sandbox hosts.

import { LocusError } from "#runtime/errors.ts";
import type { FunctionDescription } from "#runtime/function/description.ts";
import type { FunctionImage, Supervisor } from "#runtime/sandbox/supervisor.ts";
import { withDeadline } from "./deadline.ts";
import type { FunctionCache } from "./function-cache.ts";
import type { AdmittedCall, SideReply, SideRunner } from "./side-runner.ts";

export class ComputeSide implements SideRunner {
  readonly #supervisor: Pick<Supervisor, "invoke">;
  readonly #functions: FunctionCache;

  constructor(supervisor: Pick<Supervisor, "invoke">, functions: FunctionCache) {
    this.#supervisor = supervisor;
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
    const outcome = await this.#supervisor.invoke(invocation, signal);
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
