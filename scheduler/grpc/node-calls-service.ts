// locus.NodeCalls: what a node tells another about a call that it has sent there. A call that is about to write says so and waits for this
// word, so that its caller knows of each call whether it may be run again elsewhere when the node is lost.

import type { UntypedServiceImplementation } from "@grpc/grpc-js";
import { nameIn } from "./field.ts";
import { unary } from "./handler.ts";

/** Calls of other nodes that wait for leave to write. No more of them than calls. */
export class AllowedWrites {
  readonly #waiting = new Map<string, (isAllowed: boolean) => void>();

  /** False where `signal` aborts first: nobody waits for the call any more. */
  wait(requestId: string, signal: AbortSignal): Promise<boolean> {
    if (signal.aborted) return Promise.resolve(false);
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const done = (isAllowed: boolean): void => {
      if (this.#waiting.get(requestId) === done) this.#waiting.delete(requestId);
      signal.removeEventListener("abort", onAbort);
      resolve(isAllowed);
    };
    const onAbort = (): void => done(false);
    signal.addEventListener("abort", onAbort);
    this.#waiting.get(requestId)?.(false);
    this.#waiting.set(requestId, done);
    return promise;
  }

  /** False: no such call waits. */
  allow(requestId: string): boolean {
    const done = this.#waiting.get(requestId);
    done?.(true);
    return done !== undefined;
  }
}

export interface AllowWritesReply {
  readonly is_known: boolean;
}

export const nodeCallsService = (writes: AllowedWrites): UntypedServiceImplementation => ({
  AllowWrites: unary<{ readonly request_id: string }, AllowWritesReply>(async ({ request_id }) => ({
    is_known: writes.allow(nameIn(request_id, "request_id")),
  })),
});
