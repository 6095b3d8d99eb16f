// A peer in a process of its own: so that no peer is slowed by code that was compiled for another, each can be held to its
// cores, and its CPU time is its own. The program answers requests with `servePeer`.

import { fork } from "node:child_process";
import { once } from "node:events";

export interface PeerProcess<Request> {
  readonly pid: number;
  /** One request at a time. Rejects with what went wrong there. */
  ask<Answer>(request: Request): Promise<Answer>;
}

type PeerAnswer = { readonly answer: unknown } | { readonly failure: string };

/** Starts it where this process runs, on the cores that this process may use; it ends with `resources`. */
export async function startPeer<Request extends object>(
  program: string,
  argv: readonly string[],
  resources: AsyncDisposableStack,
): Promise<PeerProcess<Request>> {
  const child = fork(program, argv, { serialization: "advanced" });
  resources.defer(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, "exit");
    if (child.connected) child.disconnect(); // a peer that has ended is told of only after its channel has closed
    await gone;
  });
  const ended = once(child, "exit").then(([code, signal]) => {
    throw new Error(`${program} ended by itself (${signal ?? code})`);
  });
  ended.catch(() => {}); // told to whoever asks
  await Promise.race([once(child, "spawn"), ended]);
  return {
    pid: child.pid ?? 0,
    async ask<Answer>(request: Request) {
      const replied = once(child, "message") as Promise<[PeerAnswer]>;
      child.send(request);
      const [reply] = await Promise.race([replied, ended]);
      if ("failure" in reply) throw new Error(reply.failure);
      return reply.answer as Answer;
    },
  };
}

/** In the peer's program: answers each request, until the parent goes. */
export function servePeer(answer: (request: never) => Promise<unknown>): void {
  const send = (reply: PeerAnswer): void => void process.send?.(reply);
  process.on("message", (request) => {
    answer(request as never).then(
      (value) => send({ answer: value }),
      (error: unknown) => send({ failure: error instanceof Error ? (error.stack ?? error.message) : String(error) }),
    );
  });
  process.once("disconnect", () => process.exit());
  // The terminal's Ctrl-C reaches this process as well: the parent ends it in its own order.
  process.on("SIGINT", () => {});
}
