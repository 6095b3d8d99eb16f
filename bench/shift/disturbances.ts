// What else may be going on beside the data: a client of Redis that asks for much, and a process that takes the storage side's cores.

import { spawn } from "node:child_process";
import { once } from "node:events";
import type { RedisServer } from "#test/redis-server.ts";
import type { Layout } from "../harness/cores.ts";
import { pin } from "../harness/cores.ts";

export interface Disturbance {
  start(): void;
  /** Resolves when it is over. */
  stop(): Promise<void>;
}

/** A fraction of a millisecond of Redis' thread, without data. */
const SCRIPT = "local n = 0 for i = 1, 20000 do n = n + i end return n";

/** Keeps Redis' thread busy, one command after the other. */
export function noisyNeighbour(redis: RedisServer): Disturbance {
  const client = redis.client();
  const work = { isOn: false, done: Promise.resolve() };
  const ask = async (): Promise<void> => {
    while (work.isOn) await client.eval(SCRIPT, 0);
  };
  return {
    start() {
      work.isOn = true;
      work.done = ask();
    },
    async stop() {
      work.isOn = false;
      await work.done;
    },
  };
}

/** A process for each of the storage side's cores that does nothing but compute. It ends with `resources`. */
export function coreBurner({ pinned, cores }: Layout, resources: AsyncDisposableStack): Disturbance {
  const burners = cores.host.map(() => spawn(process.execPath, ["-e", "for (;;);"], { stdio: "ignore" }));
  for (const burner of burners) {
    if (pinned) pin(burner.pid ?? 0, cores.host);
    burner.kill("SIGSTOP");
    resources.defer(async () => {
      if (burner.exitCode !== null || burner.signalCode !== null) return;
      burner.kill("SIGKILL");
      await once(burner, "exit");
    });
  }
  const tell = (signal: "SIGCONT" | "SIGSTOP"): void => {
    for (const burner of burners) burner.kill(signal);
  };
  return { start: () => tell("SIGCONT"), stop: async () => tell("SIGSTOP") };
}
