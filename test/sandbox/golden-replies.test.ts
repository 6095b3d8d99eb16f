// The sandbox's decoder reads the same golden bytes as the TypeScript one (runtime/channel/reply.test.ts), over both channels that
// come to it: by a ring, and from a server that speaks them over a socket.

import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import type { Channel } from "#runtime/channel/channel.ts";
import goldenReplies from "#runtime/channel/golden-replies.json" with { type: "json" };
import { startSupervisor } from "#runtime/sandbox/start-supervisor.ts";
import type { DataSource, FunctionImage, Supervisor } from "#runtime/sandbox/supervisor.ts";
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
const VALUES = golden.filter(({ outcome }) => outcome === "value");
const BROKEN = golden.filter(({ outcome }) => outcome !== "value");

/** What answers a sandbox's operations, one at a time, with the bytes that are set. */
interface Speaker {
  readonly source: { readonly channel: Channel } | { readonly dataSource: DataSource };
  /** `isLast`: nothing follows them; where there is a connection it ends behind them. */
  says(bytes: Uint8Array, isLast: boolean): void;
  /** Operations that it has answered. */
  answered(): number;
  /** Resolves when whoever sends has seen the ends: what it sends before goes to a connection that is gone. */
  endsSeen(): Promise<void>;
  close(): Promise<void>;
}

async function overRing(): Promise<Speaker> {
  let bytes: Uint8Array = Buffer.alloc(0);
  let answered = 0;
  const send = (): Promise<Uint8Array> => {
    answered++;
    return Promise.resolve(bytes);
  };
  return {
    source: { channel: { send } },
    says: (next) => (bytes = next),
    answered: () => answered,
    endsSeen: () => Promise.resolve(),
    close: () => Promise.resolve(),
  };
}

async function overSocket(): Promise<Speaker> {
  const folder = mkdtempSync(join(tmpdir(), "locus-golden-"));
  const path = join(folder, "golden.sock");
  let bytes: Uint8Array = Buffer.alloc(0);
  let endsBehind = false;
  let answered = 0;
  const ending = new Set<Socket>();
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.on("close", () => ending.delete(socket));
    socket.once("data", () => {
      socket.write("%1\r\n+proto\r\n:3\r\n"); // HELLO
      socket.on("data", () => {
        answered++;
        if (endsBehind) {
          ending.add(socket);
          socket.end(bytes);
        } else socket.write(bytes);
      });
    });
  });
  server.listen(path);
  await once(server, "listening");
  // Those that are lost come back with growing pauses: there is another one for each reply that costs one.
  const connections = golden.length - VALUES.length + 4;
  return {
    source: { dataSource: { host: "", port: 0, path, database: 0, connections } },
    says(next, isLast) {
      bytes = next;
      endsBehind = isLast;
    },
    answered: () => answered,
    endsSeen: () => vi.waitFor(() => expect(ending.size).toBe(0)),
    async close() {
      server.close();
      await once(server, "close");
      rmSync(folder, { recursive: true });
    },
  };
}

describe.each([
  ["RingChannel", overRing],
  ["SocketChannel", overSocket],
] as const)("the sandbox's decoder behind a %s", (name, open) => {
  let speaker: Speaker;
  let supervisor: Supervisor;
  let image: FunctionImage;

  beforeAll(async () => {
    speaker = await open();
    supervisor = await startSupervisor({ ...speaker.source, isolatesMax: 4, queueLengthMax: 10, onLog: () => {} });
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
          return { $entries: Object.entries(value).map(([field, item]) => [field, tagged(item)]) };
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
  afterAll(async () => {
    await supervisor.close(0);
    await speaker.close();
  });

  afterEach(() => speaker.endsSeen());

  const decode = ({ hex, shape, binary }: GoldenReply, isLast: boolean) => {
    speaker.says(Buffer.from(hex, "hex"), isLast);
    const args = { method: `${COMMANDS[shape]}${binary ? "Buffer" : ""}`, arguments: ARGUMENTS[shape] };
    return supervisor.invoke({ image, keys: [], argsJson: JSON.stringify(args), deadlineMs: 60_000, logs: false });
  };
  /** Objects as their entries, in order: a name such as __proto__ shows. */
  const entries = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(entries);
    if (value === null || typeof value !== "object" || "$bytes" in value || "$error" in value) return value;
    return { $entries: Object.entries(value).map(([field, item]) => [field, entries(item)]) };
  };
  const titled = (reply: GoldenReply) =>
    [`${reply.title} (${reply.shape}${reply.binary ? ", binary" : ""})`, reply] as const;

  it.each(VALUES.map(titled))("reads %s", async (title, reply) => {
    // What nobody asked for would answer what comes next.
    expect(resultOf(await decode(reply, title.includes("after the reply is left")))).toEqual(entries(reply.value));
  });

  it.each(BROKEN.map(titled))("ends the invocation for %s", async (_title, reply) => {
    const before = speaker.answered();
    const { code } = errorOf(await decode(reply, true));
    expect(speaker.answered()).toBe(before + 1);
    // A stream of bytes that cannot be followed, or ends, is a lost connection.
    const isEnd = name === "SocketChannel" && reply.outcome === "incomplete";
    const codes = name === "SocketChannel" ? ["INTERNAL", "REDIS_UNAVAILABLE"] : ["INTERNAL"];
    expect(isEnd ? ["REDIS_UNAVAILABLE"] : codes).toContain(code);
  });
});
