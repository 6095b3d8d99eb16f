// A channel to a map in this process: for unit tests of functions, for the simulator, and as the contract test's
// reference. It answers the commands most used, with Redis' own error texts; a test compares it with a real server.

import type { Channel } from "./channel.ts";
import { COMMAND_ROWS, GUEST_METHODS } from "./command-rows.ts";
import { wrongArity, type MemoryCommands } from "./memory/arguments.ts";
import { HASH_COMMANDS } from "./memory/hashes.ts";
import { KEY_COMMANDS } from "./memory/keys.ts";
import { Keyspace } from "./memory/keyspace.ts";
import { LIST_COMMANDS } from "./memory/lists.ts";
import { writeReply, type Bytes, type MemoryReply } from "./memory/reply-writing.ts";
import { SET_COMMANDS } from "./memory/sets.ts";
import { SORTED_SET_COMMANDS } from "./memory/sorted-sets.ts";
import { STRING_COMMANDS } from "./memory/strings.ts";
import type { Operation } from "./operation.ts";
import { ReplyError } from "./reply-value.ts";

const COMMANDS: MemoryCommands = {
  ...STRING_COMMANDS,
  ...KEY_COMMANDS,
  ...HASH_COMMANDS,
  ...LIST_COMMANDS,
  ...SET_COMMANDS,
  ...SORTED_SET_COMMANDS,
};

/** The commands that it answers, in lower case; docs/testing.md lists them. */
export const MEMORY_COMMANDS: readonly string[] = Object.keys(COMMANDS);

/** Of Redis' own that functions may call; of a command with subcommands, its name alone. */
const CALLABLE = new Set(GUEST_METHODS.map(({ name }) => name));

const arities = new Map(COMMAND_ROWS.map((row) => [row.name, row.standing === "allowed" ? row.arity : 0]));

export class MemoryChannel implements Channel {
  readonly #keyspace: Keyspace;
  #rounds = 0;

  /** `nowMs`: Unix time, ms; by it keys expire. `random`, from 0 up to 1: by it members and keys are drawn. */
  constructor(nowMs: () => number = Date.now, random: () => number = Math.random) {
    this.#keyspace = new Keyspace(nowMs, random);
  }

  /** Rounds sent so far. */
  get rounds(): number {
    return this.#rounds;
  }

  /** All operations run at once, before anything else can. */
  async send(round: readonly Operation[]): Promise<Uint8Array> {
    this.#rounds += 1;
    return Buffer.from(round.map((operation) => writeReply(this.#run(operation))).join(""), "latin1");
  }

  #run(operation: Operation): MemoryReply {
    const [given = "", ...args] = operation.map((argument) => Buffer.from(argument as Uint8Array).toString("latin1"));
    const name = given.toLowerCase();
    const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
    if (command === undefined) return CALLABLE.has(name) ? lackingCommand(name) : unknownCommand(given, args);
    const arity = arities.get(name) ?? 0;
    const words = operation.length;
    if (arity < 0 ? words < -arity : words !== arity) return wrongArity(name);
    try {
      return command({ keyspace: this.#keyspace, args, name });
    } catch (error) {
      if (error instanceof ReplyError) return error;
      throw error;
    }
  }
}

const lackingCommand = (name: string): ReplyError =>
  new ReplyError(
    `ERR values in memory have no ${name.toUpperCase()}, a Redis has: openTestSandbox({ redisUrl }), see docs/testing.md`,
  );

/** As Redis words it: the name up to 128 bytes, then arguments up to 128 bytes in all. */
function unknownCommand(name: Bytes, args: readonly Bytes[]): ReplyError {
  let shown = "";
  for (const argument of args) {
    if (shown.length >= 128) break;
    shown += `'${argument.slice(0, 128 - shown.length)}' `;
  }
  return new ReplyError(`ERR unknown command '${name.slice(0, 128)}', with args beginning with: ${shown}`);
}
