// `redis` as a function sees it: a method per command that functions may call, the same on both sides. Types only;
// `guest-redis/` holds the signatures by family, `command-table.ts` the commands, a test keeps the two equal.

import type { HashCommands } from "./guest-redis/hashes.ts";
import type { KeyCommands, ServerCommands } from "./guest-redis/keys.ts";
import type { ListCommands, SetCommands } from "./guest-redis/lists.ts";
import type { GeoCommands, SortedSetCommands } from "./guest-redis/sorted-sets.ts";
import type { StreamCommands } from "./guest-redis/streams.ts";
import type { BitmapCommands, StringCommands } from "./guest-redis/strings.ts";
import type { Many, Pairs, Value } from "./guest-redis/values.ts";

interface Commands<Text>
  extends
    StringCommands<Text>,
    BitmapCommands<Text>,
    KeyCommands<Text>,
    HashCommands<Text>,
    ListCommands<Text>,
    SetCommands<Text>,
    SortedSetCommands<Text>,
    GeoCommands<Text>,
    StreamCommands<Text>,
    ServerCommands<Text> {
  /**
   * Any command of docs/commands.md by name. A name in lower case is the method of that name; in any other case it is
   * the same command, but maps come flat (`call("HGETALL", key)` gives fields and values in turn), as with ioredis.
   */
  call(command: string, ...args: Many<Value | Pairs>): Promise<unknown>;
}

type BufferForms<Methods> = { [Name in keyof Methods & string as `${Name}Buffer`]: Methods[Name] };

/**
 * The data of Redis. Values are those of ioredis 6 with its default `replyMapping: "legacy"`: integers are numbers,
 * doubles text, booleans 1 or 0, nil `null`, maps and sets arrays, `hgetall` an object. A method's `…Buffer` form gives
 * `Uint8Array` wherever the plain form gives text. Operations issued in one turn share a round.
 *
 * A method rejects with Redis' own error text, or with the code COMMAND_REFUSED where functions may not do this.
 */
export interface GuestRedis extends Commands<string>, BufferForms<Commands<Uint8Array>> {}
