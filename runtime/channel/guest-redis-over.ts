// `redis` over any channel, in plain Node: what a unit test or the simulator gives to a function. The sandbox has its own,
// native one (`runtime/native/guest_operations.cc`), which behaves the same.

import { nextTick } from "node:process";
import { LocusError } from "#runtime/errors.ts";
import type { Channel } from "./channel.ts";
import { GUEST_METHODS, REFUSED_METHODS } from "./command-rows.ts";
import type { ReplyShape } from "./command-rule.ts";
import type { GuestRedis } from "./guest-redis.ts";
import { operationOf, type Operation } from "./operation.ts";
import { checkOperation } from "./refusal.ts";
import { decodeReply } from "./reply.ts";
import { ReplyError, type ReplyValue } from "./reply-value.ts";

/** An operation of the round that the present turn collects. */
interface Waiting {
  readonly operation: Operation;
  readonly shape: ReplyShape;
  readonly binary: boolean;
  readonly resolve: (value: ReplyValue) => void;
  readonly reject: (error: unknown) => void;
}

/** The channel stays its owner's, and may serve several of these: each collects rounds of its own. */
export function guestRedisOver(channel: Channel): GuestRedis {
  const collect = roundsOver(channel);
  const shapes = new Map(GUEST_METHODS.map(({ name, shape }) => [name, shape]));
  const call =
    (binary: boolean) =>
    async (command: string, ...args: unknown[]): Promise<ReplyValue> => {
      const operation = operationOf(command, args);
      const refusal = checkOperation(operation);
      if (refusal !== null) throw new LocusError(refusal.code, refusal.message);
      try {
        return await collect(operation, shapes.get(command) ?? "plain", binary);
      } catch (error) {
        throw madeHere(error);
      }
    };
  const forms = { "": call(false), Buffer: call(true) };
  const methods = Object.entries(forms).flatMap(([form, invoke]) => [
    [`call${form}`, invoke],
    ...GUEST_METHODS.map(({ name }) => [`${name}${form}`, (...args: unknown[]) => invoke(name, ...args)]),
    ...REFUSED_METHODS.map(({ name, throws }) => [
      `${name}${form}`,
      throws ? () => refuse(name) : async () => refuse(name),
    ]),
  ]);
  return Object.fromEntries(methods) as GuestRedis;
}

/** Made where replies come in, an error has a stack of nobody's; here it leads to whoever awaits the operation. */
function madeHere(error: unknown): unknown {
  if (error instanceof ReplyError) return new ReplyError(error.message);
  return error instanceof LocusError ? new LocusError(error.code, error.message, { cause: error }) : error;
}

function refuse(command: string): never {
  const refusal = checkOperation([command]);
  if (refusal === null) throw new Error(`${command} is not refused`);
  throw new LocusError(refusal.code, refusal.message);
}

/**
 * Operations that are issued in one turn leave as one round. The turn ends when the microtask queue is empty, so that
 * chains behind different numbers of awaits still share their rounds; a tick asked for by a microtask comes exactly
 * then, and before any I/O, for which a `setImmediate` would wait.
 */
function roundsOver(channel: Channel) {
  let round: Waiting[] = [];
  return (operation: Operation, shape: ReplyShape, binary: boolean): Promise<ReplyValue> => {
    const { promise, resolve, reject } = Promise.withResolvers<ReplyValue>();
    if (round.length === 0) {
      queueMicrotask(() => {
        nextTick(() => {
          const collected = round;
          round = [];
          void exchange(channel, collected);
        });
      });
    }
    round.push({ operation, shape, binary, resolve, reject });
    return promise;
  };
}

/** Sends the round and settles each of its operations; never rejects. */
async function exchange(channel: Channel, round: readonly Waiting[]): Promise<void> {
  try {
    const replies = await channel.send(round.map(({ operation }) => operation));
    let offset = 0;
    for (const { shape, binary, resolve, reject } of round) {
      const reply = decodeReply(replies, offset, { shape, binary });
      if (reply === "incomplete") throw new Error(`the channel answered fewer than ${round.length} operations`);
      if (reply.value instanceof ReplyError) reject(reply.value);
      else resolve(reply.value);
      offset = reply.end;
    }
  } catch (error) {
    for (const { reject } of round) reject(error);
  }
}
