// How functions reach data: rounds of operations go in, replies come out. The sandbox's channels are native (SocketChannel,
// RingChannel); `MemoryChannel` is the reference for tests and the simulator.

import type { Operation } from "./operation.ts";

export interface Channel {
  /**
   * Sends one round and resolves with its replies, RESP3 bytes one after another, as many as there are operations and
   * in their order; an operation that fails is an error reply. Operations of one round run in order, but other callers'
   * may run between them. Rejects with REDIS_UNAVAILABLE where Redis cannot be reached.
   */
  send(round: readonly Operation[]): Promise<Uint8Array>;
}
