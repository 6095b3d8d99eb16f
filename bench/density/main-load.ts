// Calls functions over HTTP in a closed loop, in a process of its own. Started by density/load.ts.

import { seededRandom } from "#runtime/seeded-random.ts";
import type { Side } from "#runtime/profile/sample.ts";
import { servePeer } from "../harness/peer-process.ts";
import { HttpInvoker } from "../overload/http-invoker.ts";
import { drawOf, functionName, type Order } from "./draw.ts";

export interface LoadRequest {
  /** Of the gateway. */
  readonly url: string;
  /** null: locus places the calls. */
  readonly side: Side | null;
  readonly functions: number;
  readonly order: Order;
  readonly inFlight: number;
  /** The key that each call reads. */
  readonly key: string;
  /** No call begins later. */
  readonly budgetMs: number;
}

export interface LoadAnswer {
  readonly seconds: number;
  /** Of each call. */
  readonly elapsedUs: Float64Array;
  /** Calls that ran at storage. */
  readonly atStorage: number;
}

const random = seededRandom(5);

servePeer(async ({ url, side, functions, order, inFlight, key, budgetMs }: LoadRequest): Promise<LoadAnswer> => {
  const invoker = new HttpInvoker(url);
  const draw = drawOf(order, functions, random);
  const elapsedUs: number[] = [];
  let atStorage = 0;
  const startedMs = performance.now();
  const callInTurn = async (): Promise<void> => {
    for (let beganMs = startedMs; beganMs - startedMs < budgetMs;) {
      const number = draw();
      if (number === null) return;
      beganMs = performance.now();
      const call = { function: functionName(number), argsJson: JSON.stringify(key), keys: [key], side };
      const answer = await invoker.invoke(call);
      elapsedUs.push((performance.now() - beganMs) * 1e3);
      if (!answer.ok) throw new Error(`${call.function}: ${answer.error.code}: ${answer.error.message}`);
      if (answer.side === "storage") atStorage += 1;
    }
  };
  try {
    await Promise.all(Array.from({ length: inFlight }, callInTurn));
    const seconds = (performance.now() - startedMs) / 1e3;
    return { seconds, elapsedUs: Float64Array.from(elapsedUs), atStorage };
  } finally {
    invoker.close();
  }
});
