// Fills Redis with a graph: the work of `locus load`. The database holds one loaded graph at a time. A marker says which, and
// whether it is whole, so a load that stops half-way is seen, and the same load again completes it; what it does not speak of
// is somebody else's, and is not overwritten unasked.

import type { Redis } from "ioredis";
import { openBrittleConnection, type RedisAddress, type RedisUser } from "#compute/node/redis-connection.ts";
import { toLocusError } from "#compute/node/redis-error.ts";
import { LocusError } from "#runtime/errors.ts";
import { type Entry, type Graph, GRAPH_INFO_KEY, type GraphInfo, infoOf, parseGraphInfo } from "./graph.ts";
import { type GraphSource, openSource } from "./graph-source.ts";

/** Commands in one window, sent together and waited for: enough to hide the round trip, little to hold. */
const WINDOW_LENGTH = 1_000;
/** Keys of somebody else's that a refusal names, at most. */
const NAMED_MAX = 5;

export interface LoadOptions {
  readonly source: GraphSource;
  readonly address: RedisAddress;
  readonly user: RedisUser;
  /** Whether keys that no load has written are overwritten. */
  readonly force: boolean;
  /** Stops it at the next window. */
  readonly signal: AbortSignal;
}

export interface LoadProgress {
  /** `checking` looks whether keys of somebody else's are there, `clearing` takes the nodes of another graph away. */
  readonly step: "reading" | "checking" | "clearing" | "writing";
  /** Keys done in this step, of `total`; both 0 while reading. */
  readonly keys: number;
  readonly total: number;
}

/**
 * Loads a graph, its samples and its marker; what another load left is taken away first. `onProgress` is called after each
 * window. Throws REQUEST_INVALID for a bad source and, unless `force` is given, where a key of that name is there that no load has
 * written, both before anything is written; and a Redis error's code, or CANCELLED for `signal`'s `Interrupted`, with how far it
 * came: the marker then says `loading`, once keys were written.
 */
export async function loadGraph(
  { source, address, user, force, signal }: LoadOptions,
  onProgress: (progress: LoadProgress) => void,
): Promise<GraphInfo> {
  let progress: LoadProgress = { step: "reading", keys: 0, total: 0 };
  const note: Note = (next) => {
    progress = next;
    onProgress(next);
    signal.throwIfAborted();
  };
  onProgress(progress);
  const { graph, samples } = await untilAborted(openSource(source), signal);

  const redis = await openBrittleConnection(address, user, "load").catch((error: unknown) => {
    throw toLocusError(error, `load ${graph.source}`);
  });
  const stopped = (error: unknown): never => {
    const { code, message } = toLocusError(error, "go on");
    const { step, keys, total } = progress;
    throw new LocusError(
      code,
      `loading ${graph.source} stopped while ${step}, after ${keys} of ${total} keys: ${message}; load it again to complete it`,
      { cause: error },
    );
  };
  try {
    const strangers = force ? [] : await findStrangers(redis, graph, samples, note).catch(stopped);
    if (strangers.length > 0) throw overwrites(graph, strangers);
    await replaceGraph(redis, graph, samples, note).catch(stopped);
    return infoOf(graph, "loaded");
  } finally {
    redis.disconnect();
  }
}

const overwrites = ({ source }: Graph, strangers: readonly string[]): LocusError => {
  const names = strangers.slice(0, NAMED_MAX).map((key) => JSON.stringify(key));
  const message = `loading ${source} would overwrite keys that no load has written, such as ${names.join(", ")}`;
  const remedy =
    "Load into another database (LOCUS_REDIS_DB) or another Redis, or say --force to have them overwritten.";
  return new LocusError("REQUEST_INVALID", message, { remedy });
};

/** Reading is left where it is: nothing has been written yet. */
const untilAborted = async <Source>(reading: Promise<Source>, signal: AbortSignal): Promise<Source> => {
  const { promise, reject } = Promise.withResolvers<never>();
  const stop = (): void => {
    const message = `no key was written: ${(signal.reason as Error).message}`;
    reject(new LocusError("CANCELLED", message, { remedy: "Load it again.", cause: signal.reason }));
  };
  if (signal.aborted) stop();
  signal.addEventListener("abort", stop, { once: true });
  return Promise.race([reading, promise]).finally(() => signal.removeEventListener("abort", stop));
};

type Note = (progress: LoadProgress) => void;

/** Of the keys that are there and would be overwritten some that are not of the graph that was loaded before; none: there are none. */
async function findStrangers(
  redis: Redis,
  graph: Graph,
  samples: readonly Entry[],
  note: Note,
): Promise<readonly string[]> {
  const before = parseGraphInfo(await redis.get(GRAPH_INFO_KEY));
  const keys = (): Generator<string> => newKeys(graph, samples, before);
  const total = keys().reduce((count) => count + 1, 0);
  let looked = 0;
  for (const window of windowsOf(keys())) {
    note({ step: "checking", keys: looked, total });
    looked += window.length;
    if ((await redis.exists(window)) === 0) continue;
    const replies = (await redis.pipeline(window.map((key) => ["exists", key])).exec()) ?? [];
    return window.filter((_, index) => replies[index]?.[1] === 1);
  }
  return [];
}

/** What the load before has not written. */
function* newKeys({ firstId, lastId }: Graph, samples: readonly Entry[], before: GraphInfo | null): Generator<string> {
  if (before === null) {
    yield GRAPH_INFO_KEY;
    for (const [key] of samples) yield key;
  }
  for (let id = firstId; id <= lastId; id++) {
    if (before === null || id < before.firstId || id > before.lastId) yield String(id);
  }
}

async function replaceGraph(redis: Redis, graph: Graph, samples: readonly Entry[], note: Note): Promise<void> {
  const mark = (info: GraphInfo) => redis.set(GRAPH_INFO_KEY, JSON.stringify(info));
  const before = parseGraphInfo(await redis.get(GRAPH_INFO_KEY));
  if (before !== null && before.source !== graph.source) {
    await mark({ ...before, state: "loading" });
    await send(redis, unlinks(before), { step: "clearing", keys: 0, total: before.lastId - before.firstId + 1 }, note);
  }
  await mark(infoOf(graph, "loading"));
  await send(redis, sets(graph, samples), { step: "writing", keys: 0, total: graph.nodes + samples.length }, note);
  await mark(infoOf(graph, "loaded"));
}

async function send(redis: Redis, commands: Iterable<Command>, start: LoadProgress, note: Note): Promise<void> {
  let progress = start;
  note(progress);
  for (const window of windowsOf(commands)) {
    const replies = (await redis.pipeline(window).exec()) ?? [];
    const refused = replies.find(([error]) => error !== null);
    if (refused !== undefined) throw refused[0];
    progress = { ...progress, keys: progress.keys + window.length };
    note(progress);
  }
}

type Command = [name: string, ...args: string[]];

function* sets(graph: Graph, samples: readonly Entry[]): Generator<Command> {
  for (const [key, value] of samples) yield ["set", key, value];
  for (const [key, value] of graph.entries()) yield ["set", key, value];
}

function* unlinks({ firstId, lastId }: GraphInfo): Generator<Command> {
  for (let id = firstId; id <= lastId; id++) yield ["unlink", String(id)];
}

function* windowsOf<Item>(items: Iterable<Item>): Generator<Item[]> {
  let window: Item[] = [];
  for (const item of items) {
    window.push(item);
    if (window.length < WINDOW_LENGTH) continue;
    yield window;
    window = [];
  }
  if (window.length > 0) yield window;
}
