// The sandbox's decoder reads the same golden bytes as the TypeScript one (runtime/channel/reply.test.ts).

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import goldenReplies from "#runtime/channel/golden-replies.json" with { type: "json" };
import { startSupervisor } from "#runtime/sandbox/start-supervisor.ts";
import type { FunctionImage, Supervisor } from "#runtime/sandbox/supervisor.ts";
import { bundleOf, errorOf, resultOf } from "../sides.ts";

interface GoldenReply {
  readonly title: string;
  readonly shape: "plain" | "object" | "pairs" | "streams";
  readonly binary: boolean;
  readonly hex: string;
  readonly outcome: "value" | "incomplete" | "malformed";
  readonly value?: unknown;
}

const golden = goldenReplies as readonly GoldenReply[];
const COMMANDS = { plain: "get", object: "hgetall", pairs: "zrange", streams: "xread" } as const;
const ARGUMENTS = { plain: ["k"], object: ["k"], pairs: ["k", "0", "-1"], streams: ["STREAMS", "k", "0"] } as const;

describe("the sandbox's decoder", () => {
  let supervisor: Supervisor;
  let image: FunctionImage;
  let bytes = Buffer.alloc(0);

  beforeAll(async () => {
    supervisor = await startSupervisor({
      channel: { send: () => Promise.resolve(bytes) },
      isolatesMax: 4,
      queueLengthMax: 10,
      onLog: () => {},
    });
    await supervisor.ready();
    const bundle = Buffer.from(
      bundleOf<{ method: "get"; arguments: ["k"] }>(async ({ redis, args }) => {
        const tagged = (value: unknown): unknown => {
          if (value instanceof Uint8Array) {
            return { $bytes: Array.from(value, (byte) => byte.toString(16).padStart(2, "0")).join("") };
          }
          if (value instanceof Error) return { $error: value.message };
          if (Array.isArray(value)) return value.map(tagged);
          if (value === null || typeof value !== "object") return Object.is(value, -0) ? 0 : value;
          return { $entries: Object.entries(value).map(([name, item]) => [name, tagged(item)]) };
        };
        try {
          return tagged(await redis[args.method](...args.arguments));
        } catch (error) {
          if ((error as { code?: string }).code !== undefined) throw error;
          return tagged(error);
        }
      }),
    );
    image = { description: await supervisor.check(bundle), bundle };
  });
  afterAll(() => supervisor.close(0));

  const decode = ({ hex, shape, binary }: GoldenReply) => {
    bytes = Buffer.from(hex, "hex");
    const args = { method: `${COMMANDS[shape]}${binary ? "Buffer" : ""}`, arguments: ARGUMENTS[shape] };
    return supervisor.invoke({ image, keys: [], argsJson: JSON.stringify(args), deadlineMs: 2_000, logs: false });
  };
  /** Objects as their entries, in order: a name such as __proto__ shows. */
  const entries = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(entries);
    if (value === null || typeof value !== "object" || "$bytes" in value || "$error" in value) return value;
    return { $entries: Object.entries(value).map(([name, item]) => [name, entries(item)]) };
  };
  const titled = (reply: GoldenReply) =>
    [`${reply.title} (${reply.shape}${reply.binary ? ", binary" : ""})`, reply] as const;

  it.each(golden.filter(({ outcome }) => outcome === "value").map(titled))("reads %s", async (_title, reply) => {
    expect(resultOf(await decode(reply))).toEqual(entries(reply.value));
  });

  it.each(golden.filter(({ outcome }) => outcome !== "value").map(titled))(
    "ends the invocation for %s",
    async (_title, reply) => {
      expect(errorOf(await decode(reply)).code).toBe("INTERNAL");
    },
  );
});
