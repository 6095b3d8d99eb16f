// A load of functions that write, and its book: each call increments one key and is answered with the new value, so that what
// was acknowledged can be held against what is there, whatever happened in between.

import type { RedisServer } from "#test/redis-server.ts";
import { until } from "./scripted-host.ts";

const KEY = "increments";
const CALL = JSON.stringify({ rounds: [[["INCR", KEY]]] });

interface Book {
  /** Calls that answered with their increment. */
  readonly acknowledged: number;
  /** How often each call that did not was told what, by the error's first word; a lost connection is `closed`. */
  readonly refusals: ReadonlyMap<string, number>;
}

export interface Increments {
  acknowledged(): number;
  /** Resolves when every caller has had one answer more: to whatever was sent before, each has its answer then. */
  answered(): Promise<void>;
  /** Ends it; resolves when the last call has been answered. */
  stop(): Promise<Book>;
}

/** So many callers, each with one call at a time of the scripted host's function. */
export function startIncrements(server: RedisServer, callers = 4): Increments {
  let acknowledged = 0;
  const answers = Array.from({ length: callers }, () => 0);
  const stopped = new AbortController();
  const refusals = new Map<string, number>();
  const note = (word: string): void => void refusals.set(word, (refusals.get(word) ?? 0) + 1);
  const run = async (index: number): Promise<void> => {
    // Nothing is sent twice: what became of a call whose connection broke is not known.
    const open = () => server.client({ autoResendUnfulfilledCommands: false, retryStrategy: () => null });
    let client = open();
    while (!stopped.signal.aborted) {
      try {
        const [reply = ""] = JSON.parse(String(await client.call("LOCUS.CALL", "script", "0", CALL))) as string[];
        if (reply.startsWith(":")) acknowledged++;
        else note(reply.slice(1, reply.indexOf(" ")));
      } catch (error) {
        const { name, message } = error as Error;
        note(name === "ReplyError" ? message.slice(0, message.indexOf(" ")) : "closed");
        if (client.status !== "ready") {
          client.disconnect();
          await new Promise((resolve) => setTimeout(resolve, 5));
          client = open();
        }
      }
      answers[index]!++;
    }
    client.disconnect();
  };
  const running = Promise.all(answers.map((_, index) => run(index)));
  return {
    acknowledged: () => acknowledged,
    async answered() {
      const before = [...answers];
      await until(() => Promise.resolve(answers.every((count, index) => count > before[index]!)));
    },
    async stop() {
      stopped.abort();
      await running;
      return { acknowledged, refusals };
    },
  };
}

/** What the key holds. */
export const readIncrements = async (server: RedisServer): Promise<number> => Number(await server.client().get(KEY));
