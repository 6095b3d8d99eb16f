// docs/commands.md, written from the command table: a test holds the file equal to this text (`vitest -u` rewrites it).

import { REASONS, type AllowedCommand, type ArgumentRule, type ReplyShape } from "./command-rule.ts";
import { ALLOWED, REFUSED } from "./command-table.ts";

const INTRODUCTION = `# What a function may call

\`redis\` in a function has a method for each command below, in lower case (\`redis.zadd\`, \`redis.xgroup("CREATE", …)\`), and
\`redis.call(command, ...args)\` for a name that is computed. The table is the same on both sides; so are the values, and so
is the error of what it refuses. It is written from \`runtime/channel/command-table.ts\`, which a test holds against Redis 7.0.

- Nothing that blocks, changes the connection, runs scripts or administers, nothing that is not listed: it is refused
  before it is sent, with the error \`COMMAND_REFUSED\` and a message such as
  \`BLPOP: functions may not block; see docs/commands.md\`. The methods of refused commands are there to say so: they reject, but
  \`multi\` and \`pipeline\`, which client libraries chain commands on, throw. What is issued in one turn, as by \`Promise.all\`, is
  one round without either.
- **Keys that begin with \`locus:\`** are locus' own, and so are such channels. They are refused wherever a command takes a
  key or a channel. Their names may be seen (KEYS, SCAN, RANDOMKEY); what they hold may not.
- **Patterns of SORT** (BY, GET) name keys that only Redis sees, since \`*\` stands for an element that a function may have
  written. A pattern is refused if the text before its \`*\` begins with \`locus:\` or is a beginning of it, as in \`*\`,
  \`*->name\` or \`lo*\`; \`weight:*\` is fine.
- **read** is a command that can never change the data. An invocation that has sent nothing else can be run again without
  anybody noticing when its sandbox dies; one that has sent a **write** ends with \`SANDBOX_DIED\` instead.
- Arity, types and rights are checked by Redis, with its own error texts.

## Values

Those of ioredis 6 with its default \`replyMapping: "legacy"\`, under RESP3 on the wire:

| Redis answers | a method gives | its \`…Buffer\` form gives |
|---|---|---|
| text (simple, bulk, verbatim) | \`string\`; bytes that are no UTF-8 become U+FFFD | \`Uint8Array\` |
| integer | \`number\`: the nearest double, exact up to 2^53 | the same |
| double | \`string\`, as Redis writes it: \`"1.5"\`, \`"inf"\` | \`Uint8Array\` |
| big number | \`string\` | the same |
| boolean | \`1\` or \`0\` | the same |
| nil | \`null\` | the same |
| array, set | an array | the same |
| map | an array, names and values in turn | the same |
| error | the promise rejects with Redis' text; inside an array, an \`Error\` | the same |

Where the column *reply* says more: an **object** has a map's names as its properties; **flat** is an array whose inner
arrays have been spread out (members and scores in turn); **streams** is a list of \`[stream, entries]\`. That is so for the
methods, and for \`call\` with the command's name in lower case. In any other spelling \`call\` gives what the table above says,
as ioredis does: \`call("HGETALL", key)\` gives fields and values in turn, \`call("ZRANGE", key, 0, -1, "WITHSCORES")\` gives pairs.
The rule is the same on both sides, with every \`LOCUS_DRIVER\`, in \`redisclient\` and for values in memory.

Arguments are text (sent as UTF-8; half of a surrogate pair becomes U+FFFD), numbers, bigints and booleans (sent as their text), \`Uint8Array\`
for bytes, or lists of these, which are spread out; \`hset\`, \`hmset\`, \`mset\` and \`msetnx\` also take an object or a Map for their pairs.
Anything else rejects with a \`TypeError\` that names the argument, where ioredis would send \`[object Object]\` or an empty text: \`null\`,
\`undefined\`, objects (send what \`JSON.stringify\` makes of them), lists inside lists, callbacks. Operations issued in one turn are sent together, as one round.

The column *keys* gives positions of arguments, the command's name being 0.
`;

const REPLIES: Readonly<Record<ReplyShape, string>> = {
  plain: "",
  object: "object",
  pairs: "flat",
  streams: "streams",
};

export function commandsDocument(): string {
  const families = Object.entries(ALLOWED).map(([family, commands]) =>
    [`## ${family}`, "", ...table(["command", "access", "keys", "reply"], commands.map(commandCells))].join("\n"),
  );
  const refused = Object.entries(REFUSED).map(([reason, names]) => [
    REASONS[reason as keyof typeof REFUSED],
    names.map(displayName).toSorted().join(", "),
  ]);
  return [INTRODUCTION, families.join("\n\n"), "", "## Refused", "", ...table(["why", "commands"], refused), ""].join(
    "\n",
  );
}

/** Markdown. */
const table = (head: readonly string[], rows: readonly (readonly string[])[]): string[] => [
  row(head),
  `|${"---|".repeat(head.length)}`,
  ...rows.map(row),
];
const row = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;

const displayName = (name: string): string => name.toUpperCase().replace("|", " ");

const commandCells = ({ name, access, rules, shape }: AllowedCommand): string[] => [
  displayName(name),
  access,
  rules.map(ruleText).join("; "),
  REPLIES[shape],
];

function ruleText(rule: ArgumentRule): string {
  switch (rule.kind) {
    case "keys":
      return rule.last < 0
        ? `${rule.step === 1 ? "every argument" : "every second argument"} from ${rule.first} on`
        : Array.from({ length: rule.last - rule.first + 1 }, (_, place) => rule.first + place).join(", ");
    case "counted":
      return `as many as argument ${rule.at} says, after it`;
    case "streams":
      return "the first half after STREAMS; BLOCK is refused";
    case "after":
      return `${rule.takes === "pattern" ? "pattern " : ""}after ${rule.token}`;
    case "forbidden":
      return `${rule.token} is refused`;
    case "channel":
      break;
  }
  return `channel ${rule.at}`;
}
