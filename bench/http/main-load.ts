// Loads a server with autocannon, in a process of its own, and tells how many requests were answered and how soon each. Started
// by http/load-peer.ts.

import autocannon from "autocannon";
import { servePeer } from "../harness/peer-process.ts";

export interface LoadRequest {
  readonly url: string;
  readonly connections: number;
  readonly pipelining: number;
  readonly budgetMs: number;
}

export interface LoadAnswer {
  readonly requests: number;
  readonly seconds: number;
  /** Of each request. */
  readonly elapsedUs: Float64Array;
}

const BODY = "{}";
/** autocannon stops at such a tick, and rounds the time to 10 ms. */
const TICK_MS = 10;

servePeer(async ({ url, connections, pipelining, budgetMs }: LoadRequest): Promise<LoadAnswer> => {
  const elapsedUs: number[] = [];
  const load = autocannon({
    url,
    method: "POST",
    headers: { "content-type": "application/json" },
    body: BODY,
    connections,
    pipelining,
    duration: budgetMs / 1e3,
    sampleInt: TICK_MS,
  });
  void load.on("response", (_client, _status, _bytes, responseTimeMs) => elapsedUs.push(responseTimeMs * 1e3));
  const { errors, timeouts, non2xx, duration, "2xx": requests } = await load;
  if (errors + timeouts + non2xx > 0) {
    throw new Error(`${url}: ${errors} errors, ${timeouts} timeouts, ${non2xx} answers other than 2xx`);
  }
  return { requests, seconds: duration, elapsedUs: Float64Array.from(elapsedUs) };
});
