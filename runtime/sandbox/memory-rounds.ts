// Answers a sandbox's rounds from a channel in this process, over the rings on which the Redis module would answer.

import type { Channel } from "#runtime/channel/channel.ts";
import type { Operation } from "#runtime/channel/operation.ts";
import { decodeReply } from "#runtime/channel/reply.ts";
import type { NativeHandlers, NativeSupervisor } from "./native-supervisor.ts";

export function answerRounds(channel: Channel, reply: NativeSupervisor["reply"]): NativeHandlers["onRound"] {
  return (host, lane, invocation, round, count, commands) => {
    void channel.send(operationsOf(commands)).then(
      (replies) => reply(host, lane, invocation, round, count, replies),
      (error: unknown) => {
        const failure = `-ERR ${(error as Error).message.replaceAll(/[\r\n]/g, " ")}\r\n`;
        reply(host, lane, invocation, round, count, Buffer.from(failure.repeat(count)));
      },
    );
  };
}

/** Commands are RESP arrays of bulk strings, which the reader of replies reads as well. */
function operationsOf(commands: Uint8Array): Operation[] {
  const operations: Operation[] = [];
  for (let offset = 0; offset < commands.length;) {
    const decoded = decodeReply(commands, offset, { shape: "plain", binary: true });
    if (decoded === "incomplete") break;
    operations.push(decoded.value as Operation);
    offset = decoded.end;
  }
  return operations;
}
