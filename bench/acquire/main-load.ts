// Acquires and returns containers over gRPC, so many pairs at once, and tells how many there were and how soon each. A plain grpc-js client, the
// same for whatever answers. Started by acquire.bench.ts.

import { Client, credentials } from "@grpc/grpc-js";
import { SERVICES } from "#scheduler/grpc/services.ts";
import { servePeer } from "../harness/peer-process.ts";

export interface LoadRequest {
  readonly endpoint: string;
  readonly inFlight: number;
  readonly budgetMs: number;
}

export interface LoadAnswer {
  readonly seconds: number;
  /** Of each pair. */
  readonly elapsedUs: Float64Array;
}

const SERVICE = SERVICES["schedulerproto.Scheduler"];
const CONFIG = { timeout_in_ms: 60_000, memory_in_bytes: 128 * 2 ** 20, handler: "index.handler" };
const USED = { duration_in_nanos: 4_000_000, max_memory_usage_in_bytes: 5 * 2 ** 20 };

const clients = new Map<string, Client>();
let requests = 0;

servePeer(async ({ endpoint, inFlight, budgetMs }: LoadRequest): Promise<LoadAnswer> => {
  const client = clients.get(endpoint) ?? new Client(endpoint, credentials.createInsecure());
  clients.set(endpoint, client);
  const elapsedUs: number[] = [];
  const startedMs = performance.now();
  const endMs = startedMs + budgetMs;
  const worker = async (): Promise<void> => {
    for (let beganMs = performance.now(); beganMs < endMs;) {
      await pair(client);
      const nowMs = performance.now();
      elapsedUs.push((nowMs - beganMs) * 1e3);
      beganMs = nowMs;
    }
  };
  await Promise.all(Array.from({ length: inFlight }, worker));
  return { seconds: (performance.now() - startedMs) / 1e3, elapsedUs: Float64Array.from(elapsedUs) };
});

async function pair(client: Client): Promise<void> {
  const request_id = `request-${requests++}`;
  const wanted = { request_id, account_id: "account", function_name: "hello", function_config: CONFIG };
  const { container_id } = await ask<{ readonly container_id: string }>(client, "AcquireContainer", wanted);
  await ask(client, "ReturnContainer", { request_id, container_id, ...USED });
}

function ask<Reply>(client: Client, name: string, request: object): Promise<Reply> {
  const method = SERVICE[name];
  if (method === undefined) throw new Error(`there is no method ${name}`);
  return new Promise((resolve, reject) => {
    const done = (error: Error | null, reply?: unknown): void =>
      error === null ? resolve(reply as Reply) : reject(error);
    client.makeUnaryRequest(method.path, method.requestSerialize, method.responseDeserialize, request, done);
  });
}
