// How a host on the compute side comes by its connections, and what its functions see while there are none.

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, it } from "vitest";
import { describeDefinition } from "#runtime/function/describe.ts";
import { versionOf } from "#runtime/function/version.ts";
import { openDataConnection } from "#runtime/sandbox/data-connection.ts";
import { BUILD_DIRECTORY, newNativeSupervisor } from "#runtime/sandbox/native-supervisor.ts";
import { startSupervisor } from "#runtime/sandbox/start-supervisor.ts";
import type { DataSource, Outcome, Supervisor } from "#runtime/sandbox/supervisor.ts";
import { CERTIFIED_NAME, makeCertificate } from "../certificate.ts";
import { freePort } from "../free-port.ts";
import { startRedisServer, type RedisServer } from "../redis-server.ts";
import { bundleOf, errorOf, resultOf } from "../sides.ts";

const closing: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

const startServer = async (options: Parameters<typeof startRedisServer>[0] = {}): Promise<RedisServer> => {
  const server = await startRedisServer({ moduleArguments: null, ...options });
  closing.push(() => server.close());
  return server;
};

const startOver = async (
  dataSource: DataSource,
  isolatesMax = 4,
): Promise<{
  supervisor: Supervisor;
  lines: string[];
  run: (bundle: string, deadlineMs?: number) => Promise<Outcome>;
}> => {
  const lines: string[] = [];
  const supervisor = await startSupervisor({
    dataSource,
    isolatesMax,
    queueLengthMax: 10,
    onLog: ({ text }) => lines.push(text),
  });
  closing.push(() => supervisor.close(0));
  await supervisor.ready();
  const run = async (source: string, deadlineMs = 60_000): Promise<Outcome> => {
    const bundle = Buffer.from(source);
    const image = { description: await supervisor.check(bundle), bundle };
    return supervisor.invoke({ image, keys: [], argsJson: "null", deadlineMs, logs: false });
  };
  return { supervisor, lines, run };
};

const over = (server: RedisServer, more: Partial<DataSource> = {}): DataSource => ({
  host: "",
  port: 0,
  path: server.path,
  database: 0,
  connections: 2,
  ...more,
});

const until = async (holds: () => boolean): Promise<void> => {
  await expect.poll(holds).toBe(true);
};

const WHO = bundleOf(async ({ redis }) => {
  await redis.set("mine", "1");
  return await redis.get("mine");
});

describe("connections of the compute side", () => {
  it("authenticate as the function user and select its database", async () => {
    const server = await startServer();
    const admin = server.client();
    await admin.call("ACL", "SETUSER", "functions", "on", ">secret", "~mine", "+@all");
    const { run } = await startOver(over(server, { username: "functions", password: "secret", database: 3 }));
    expect(resultOf(await run(WHO))).toBe("1");
    await admin.select(3);
    expect(await admin.get("mine")).toBe("1");
    const refused = errorOf(await run(bundleOf(({ redis }) => redis.get("another"))));
    expect(refused).toMatchObject({ code: "FUNCTION_FAILED" });
    expect(refused.message).toMatch(/NOPERM/);
  });

  it("say so when Redis refuses the user, and so do calls", async () => {
    const server = await startServer();
    const { lines, run } = await startOver(over(server, { username: "nobody", password: "wrong" }));
    await until(() => lines.length > 0);
    expect(lines.join("\n")).toContain("WRONGPASS");
    expect(errorOf(await run(WHO))).toMatchObject({
      code: "REDIS_UNAVAILABLE",
      message: expect.stringMatching(
        /^no connection to Redis came up within 1 s: .*WRONGPASS .*; check LOCUS_REDIS_USER and /,
      ),
    });
  });

  it("come back after Redis was away, and calls meanwhile say what is wrong", async () => {
    const server = await startServer();
    const { run, supervisor } = await startOver(over(server));
    const admin = server.client();
    expect(resultOf(await run(WHO))).toBe("1");
    const hanging = run(
      bundleOf(async ({ redis }) => {
        for (;;) await redis.get("k");
      }),
    );
    const reads = async (): Promise<number> =>
      Number(/cmdstat_get:calls=(\d+)/.exec(await admin.info("commandstats"))?.[1] ?? 0);
    await expect.poll(reads).toBeGreaterThan(50);
    await server.restart("SIGKILL");
    const lost = errorOf(await hanging);
    expect(lost).toMatchObject({ code: "REDIS_UNAVAILABLE" });
    await until(() => supervisor.state().connections === 2);
    expect(resultOf(await run(WHO))).toBe("1");
  });

  it("break under a write that is not awaited: the call does not end well, unless its function says that it may", async () => {
    const server = await startServer();
    const { run } = await startOver(over(server, { connections: 1 }));
    await run(WHO);
    const admin = server.client();
    // Redis holds the write back while clients are paused, and the connection goes meanwhile.
    const cutUnder = async (bundle: string): Promise<Outcome> => {
      await admin.call("CLIENT", "PAUSE", "60000", "WRITE");
      const ended = run(bundle);
      await expect.poll(async () => /^blocked_clients:1\r$/m.test(await admin.info("clients"))).toBe(true);
      await admin.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
      await admin.call("CLIENT", "UNPAUSE");
      return ended;
    };
    const unheard = errorOf(
      await cutUnder(
        bundleOf(({ redis }) => {
          void redis.rpush("list", "1");
          return "done";
        }),
      ),
    );
    expect(unheard.code).toBe("REDIS_UNAVAILABLE");
    expect(unheard.message).toContain("was not awaited");
    const heard = await cutUnder(
      bundleOf(({ redis }) => {
        redis.rpush("list", "2").catch(() => {});
        return "done";
      }),
    );
    expect(resultOf(heard)).toBe("done");
    const late = await cutUnder(
      bundleOf(async ({ redis }) => {
        const writing = redis.rpush("list", "3");
        await new Promise((resolve) => setTimeout(resolve, 1_500));
        return writing.catch(() => "heard late");
      }),
    );
    expect(resultOf(late)).toBe("heard late");
    expect(await admin.exists("list")).toBe(0);
  });

  it("are replaced when they end while nobody uses them: the next call knows nothing of it", async () => {
    const server = await startServer();
    const { run, supervisor } = await startOver(over(server));
    const admin = server.client();
    const connected = async (): Promise<number> =>
      [...String(await admin.client("LIST")).matchAll(/name=locus-function/g)].length;
    for (let i = 0; i < 3; i++) {
      await expect.poll(connected).toBe(2);
      await until(() => supervisor.state().connections === 2);
      expect(resultOf(await run(WHO))).toBe("1");
      await admin.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
    }
  });

  it("are kept, and watched on, when others come for them: two may have been sent for one loss", async () => {
    const server = await startServer();
    const admin = server.client();
    const wanted: string[] = [];
    const { promise: ended, resolve: end } = Promise.withResolvers<readonly string[]>();
    const native = newNativeSupervisor(
      {
        launcherPath: join(BUILD_DIRECTORY, "launcher"),
        nodePath: process.execPath,
        programPath: join(BUILD_DIRECTORY, "host.mjs"),
        arguments: ["1", "on"],
        isolateBytesMax: 2 ** 30,
        isolatesMax: 2,
        queueLengthMax: 1,
        connections: 1,
        operationRings: false,
        confine: true,
      },
      {
        onLog: () => {},
        onOutcome: (_, code, result) => end([code, result]),
        onWriteAsked: () => {},
        onKept: () => {},
        onChecked: () => {},
        onConnectionWanted: (_host, _connection, lost) => wanted.push(lost),
        onRound: () => {},
      },
    );
    closing.push(() => native.close());
    native.start();
    await expect.poll(() => wanted).toEqual([""]);
    const pass = async (): Promise<void> => {
      const opened = await openDataConnection(over(server));
      expect(native.passDescriptor(0, 0, opened.descriptor)).toBe(true);
      opened.close();
    };
    const connected = async (): Promise<readonly string[]> =>
      [...String(await admin.client("LIST")).matchAll(/^id=(\d+) .*name=locus-function/gm)].map(([, id = ""]) => id);
    await pass();
    const [first = ""] = await connected();
    await pass();
    await expect.poll(connected).toEqual([first]);
    const bundle = Buffer.from(WHO);
    const { name, version, limits } = describeDefinition(
      { kind: "locus.function", name: "who", run: "function" },
      versionOf(bundle),
      "deploy",
    );
    native.submit(1, native.image(name, version, bundle, limits), [], "null", 5_000, false, null, false);
    native.wake();
    expect(await ended).toEqual(["ok", '"1"']);
    expect(wanted).toEqual([""]);
    await admin.call("CLIENT", "KILL", "ID", first);
    await expect.poll(() => wanted).toEqual(["", "Redis closed the connection"]);
  });

  it("do not keep an isolate from other calls while Redis takes its time", async () => {
    const server = await startServer();
    const { supervisor } = await startOver({ ...over(server), connections: 1 }, 1);
    const bundle = Buffer.from(
      bundleOf<string>(async ({ redis, args }) => (args === "write" ? await redis.set("k", "1") : "computed")),
    );
    const image = { description: await supervisor.check(bundle), bundle };
    const call = (args: string, signal?: AbortSignal): Promise<Outcome> =>
      supervisor.invoke({ image, keys: [], argsJson: JSON.stringify(args), deadlineMs: 20_000, logs: false }, signal);
    await call("compute");
    const admin = server.client();
    await admin.call("CLIENT", "PAUSE", "60000", "WRITE");
    const order: string[] = [];
    const controller = new AbortController();
    const writing = call("write").then(() => order.push("written"));
    const cancelled = call("write", controller.signal).then((ended) => order.push(errorOf(ended).code));
    await expect.poll(async () => / cmd=set /.test(String(await admin.client("LIST")))).toBe(true);
    await call("compute").then(() => order.push("computed"));
    controller.abort();
    await cancelled;
    await admin.call("CLIENT", "UNPAUSE");
    await writing;
    expect(order).toEqual(["computed", "CANCELLED", "written"]);
  });

  it("may be cut again and again: every call gets its answer at once, or its reply", async () => {
    const server = await startServer();
    const { supervisor } = await startOver(over(server));
    const bundle = Buffer.from(
      bundleOf(async ({ redis }) => {
        for (let i = 0; i < 20; i++) await redis.get("k");
        return "read";
      }),
    );
    const image = { description: await supervisor.check(bundle), bundle };
    const admin = server.client();
    const untilMs = performance.now() + 2_000;
    const codes = new Map<string, number>();
    const isOver = (): boolean => performance.now() > untilMs && codes.has("ok");
    const cut = async (): Promise<void> => {
      // On a slow machine no call gets through as often as at first.
      for (let pauseMs = 20; !isOver(); pauseMs++) {
        await admin.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
        await sleep(pauseMs);
      }
    };
    const load = async (): Promise<void> => {
      while (!isOver()) {
        const ended = await supervisor.invoke({ image, keys: [], argsJson: "null", deadlineMs: 60_000, logs: false });
        const code = ended.ok ? "ok" : ended.error.code;
        codes.set(code, (codes.get(code) ?? 0) + 1);
      }
    };
    await Promise.all([cut(), ...Array.from({ length: 8 }, load)]);
    expect([...codes.keys()].filter((code) => code !== "ok" && code !== "REDIS_UNAVAILABLE")).toEqual([]);
  });

  it("end a call with what cannot be read, and what follows from its replies before has no turn of another", async () => {
    const server = await startServer();
    const port = await freePort();
    // The name of a field becomes none.
    const proxy = createServer((client) => {
      const redis = connect(server.path);
      client.pipe(redis);
      redis.on("data", (bytes) => {
        client.write(Buffer.from(bytes.toString("latin1").replace("$4\r\nname\r\n", "$-1\r\n"), "latin1"));
      });
      for (const [one, other] of [
        [client, redis],
        [redis, client],
      ] as const)
        one.on("error", () => {}).on("close", () => other.destroy());
    }).listen(port);
    closing.push(() => void proxy.close());
    const { supervisor } = await startOver({ host: "127.0.0.1", port, database: 0, connections: 1 });
    const bundle = Buffer.from(
      bundleOf(async ({ redis }) => {
        await redis.hset("fields", "name", "1");
        void redis.get("none").then(() => console.log("it goes on"));
        return await redis.hgetall("fields");
      }),
    );
    const image = { description: await supervisor.check(bundle), bundle };
    const ended = await supervisor.invoke({ image, keys: [], argsJson: "null", deadlineMs: 20_000, logs: true });
    expect(errorOf(ended)).toMatchObject({ code: "INTERNAL", message: "a reply of Redis could not be read" });
    // What waits for a turn when it is over has that of the next.
    expect(ended.logs).toEqual(["it goes on"]);
  });

  it("fail with REDIS_UNAVAILABLE when there is no Redis at all", async () => {
    const { run } = await startOver({ host: "127.0.0.1", port: 1, database: 0, connections: 1 });
    expect(errorOf(await run(WHO))).toMatchObject({ code: "REDIS_UNAVAILABLE" });
  });

  it("speak TLS, and trust nobody else's certificate", async () => {
    const folder = mkdtempSync(join(tmpdir(), "locus-tls-"));
    closing.push(() => rmSync(folder, { recursive: true }));
    const { certificateFile, redisConfig } = makeCertificate(folder);
    const port = await freePort();
    const server = await startServer({ config: redisConfig(port) });
    await server.client().config("SET", "requirepass", "secret");
    const tls = { serverName: "127.0.0.1", authorities: readFileSync(certificateFile, "utf8") };
    const source: DataSource = { host: "127.0.0.1", port, database: 2, connections: 2, password: "secret", tls };
    const { run } = await startOver(source);
    expect(resultOf(await run(WHO))).toBe("1");
    const large = bundleOf(async ({ redis }) => {
      await redis.set("large", "y".repeat(3_000_000));
      return (await redis.get("large"))?.length;
    });
    expect(resultOf(await run(large))).toBe(3_000_000);

    const named = await startOver({ ...source, tls: { ...tls, serverName: CERTIFIED_NAME } });
    expect(resultOf(await named.run(WHO))).toBe("1");
    const misnamed = await startOver({ ...source, tls: { ...tls, serverName: "other.example" } });
    await until(() => misnamed.lines.some((line) => /hostname mismatch|IP address mismatch/i.test(line)));
    const untrusted = await startOver({ ...source, tls: { ...tls, authorities: "" } });
    await until(() => untrusted.lines.some((line) => /self.signed|unable to get/i.test(line)));
  });
});
