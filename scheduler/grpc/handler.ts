// Makes a gRPC handler of a function that takes a message and promises another: errors become statuses, and what ends a call
// early (its caller cancels, goes away, or its deadline passes) aborts the work on it.

import { setImmediate } from "node:timers/promises";
import type { handleServerStreamingCall, handleUnaryCall, ServerWritableStream } from "@grpc/grpc-js";
import { type OwnStatuses, statusOf } from "./grpc-error.ts";

/** `signal` aborts when nobody waits for the reply any more. */
type Reply<Request, Message> = (request: Request, signal: AbortSignal) => Promise<Message>;

/**
 * `undo` is called with a reply that came when nobody waited for it any more: what it gave away would be lost. A caller that
 * cancels while the reply is on its way to it cannot be told from one that has it.
 */
export const unary =
  <Request, Message>(
    reply: Reply<Request, Message>,
    undo?: (request: Request, message: Message) => void,
    statuses?: OwnStatuses,
  ): handleUnaryCall<Request, Message> =>
  async (call, callback) => {
    const abort = new AbortController();
    let isOver = false;
    // gRPC says so of every call in the end, of those that were answered as well.
    call.on("cancelled", () => {
      if (!isOver) abort.abort();
    });
    if (call.cancelled) abort.abort();
    let message: Message;
    try {
      message = await reply(call.request, abort.signal);
    } catch (error) {
      callback(statusOf(error, statuses));
      return;
    } finally {
      isOver = true;
    }
    // A process that was late reads a call and its cancelling at once, and is told of the latter within one turn of its loop.
    if (undo !== undefined) await setImmediate();
    if (call.cancelled) undo?.(call.request, message);
    else callback(null, message);
  };

/** As `Reply`; `send` is for a message before all others. Few of them: they do not wait for the caller. */
type StreamedReply<Request, Message> = (
  request: Request,
  signal: AbortSignal,
  send: (message: Message) => void,
) => Promise<Iterable<Message>>;

/** The messages leave as fast as the caller takes them: no more than one waits. */
export const serverStreaming =
  <Request, Message>(reply: StreamedReply<Request, Message>): handleServerStreamingCall<Request, Message> =>
  async (call) => {
    const abort = new AbortController();
    call.on("cancelled", () => abort.abort());
    try {
      const send = (message: Message): void => void call.write(message);
      for (const message of await reply(call.request, abort.signal, send)) {
        if (abort.signal.aborted) return;
        if (!call.write(message)) await drained(call, abort.signal);
      }
      call.end();
    } catch (error) {
      if (!abort.signal.aborted) call.emit("error", statusOf(error));
    }
  };

/** Or aborted. */
function drained<Request>(call: ServerWritableStream<Request, unknown>, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const done = (): void => {
    call.off("drain", done);
    signal.removeEventListener("abort", done);
    resolve();
  };
  call.once("drain", done);
  signal.addEventListener("abort", done);
  if (signal.aborted) done();
  return promise;
}
