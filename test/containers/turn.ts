// One after another on this machine, whichever run of these tests they belong to.

import { once } from "node:events";
import { createServer, type Server } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/** Others need minutes. */
const TIMEOUT_MS = 600_000;
const LOOK_MS = 500;

/**
 * Until it is closed, nobody else has a turn at `what`: whoever listens there has it, and the kernel ends it with its process. Rejects where it
 * is not this one's turn in time.
 */
export async function takeTurn(what: "engine" | "packages"): Promise<Server> {
  const deadlineMs = performance.now() + TIMEOUT_MS;
  for (;;) {
    const server = createServer();
    try {
      await once(server.listen({ path: `\0locus-test-${what}` }), "listening");
      return server;
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== "EADDRINUSE") throw cause;
      if (performance.now() > deadlineMs)
        throw new Error(`another run of these tests has its turn (${what})`, { cause });
      await sleep(LOOK_MS);
    }
  }
}

/** Debian's tools want to be alone with what they know of packages. */
export async function withPackages<T>(use: () => Promise<T>): Promise<T> {
  const turn = await takeTurn("packages");
  try {
    return await use();
  } finally {
    turn.close();
  }
}
