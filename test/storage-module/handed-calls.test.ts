// LOCUS.NODE TAKE, WRITES, GIVE, DETACH: calls that the plan wants elsewhere, and what becomes of them when the node, the caller or
// time is not as it should be. The node is played by the test: what is promised holds whatever a node does. AddressSanitizer watches
// the module.

import { describe, expect, test } from "vitest";

import { NO_USAGE } from "#runtime/profile/sample.ts";
import { call, expectInfo, handingServers, info, OLDER_USAGE, USAGE, waiting } from "./handing-server.ts";
import { brittle, PlayedNode, speak } from "./played-node.ts";
import { outcome, planScript, PUSHED_BACK, until } from "./scripted-host.ts";

const start = handingServers();

describe("a call that the plan wants at compute", () => {
  test("is taken with all that it needs, and its caller gets what the node gives", async () => {
    const server = await start();
    const [client, node] = [server.client(), await new PlayedNode(server).attach()];
    const replied = call(server.client(), "2", "a", "é", '{"x":1}');
    const [id, name, version, deadlineMs, user, db, keys, args, reads] = await node.takeOne();
    expect([name, user, db, keys, args, reads]).toEqual(["script", "default", 0, ["a", "é"], '{"x":1}', ""]);
    expect(version).toMatch(/^[0-9a-f]{16}$/);
    expect(deadlineMs).toBeGreaterThan(0);
    expect(deadlineMs).toBeLessThanOrEqual(60_000);
    await expectInfo(client, { nodes_attached: "1", calls_handed: "1", calls_handed_taken: "1", calls_in_flight: "0" });
    expect(await node.give(id, "OK", OLDER_USAGE, '{"far":"away"}')).toBe(1);
    expect(await replied).toBe('{"far":"away"}');
    await expectInfo(client, { calls_returned: "1", calls_handed_taken: "0", calls_taken_back: "0" });
    const [[, statistics] = []] = (await client.call("LOCUS.FUNCTION", "STATS", "script")) as string[][];
    expect(JSON.parse(statistics!)).toMatchObject({ calls: 1, inFlight: 0, ok: 1, wallUs: 1_500.5, operations: 2 });
    const samples = JSON.parse(String(await client.call("LOCUS.NODE", "SAMPLES", "0"))) as object;
    expect(samples).toMatchObject({ inFlight: 0, tallies: [] });
  });

  test("ends with the error that the node gives, in the words that it would have here", async () => {
    const server = await start();
    const [client, node] = [server.client(), await new PlayedNode(server).attach()];
    const replied = call(client);
    const [id] = await node.takeOne();
    const error = { code: "FUNCTION_FAILED", message: "Error: no\nway", stack: "Error\n    at run (f.ts:1:2)" };
    await node.give(id, "ERROR", USAGE, JSON.stringify(error));
    expect(await replied).toBe("ReplyError: FUNCTIONFAILED Error: no way at run (f.ts:1:2)");
    expect(await info(client, "calls_failed_by_code")).toBe("FUNCTION_FAILED=1");
  });

  test("is taken together with others that wait, in their order, as many as are wanted", async () => {
    const server = await start();
    const [client, node] = [server.client(), await new PlayedNode(server).attach()];
    const replies = ["1", "2", "3"].map((args) => call(server.client(), "0", args));
    await waiting(client, 3);
    const first = await node.take(2);
    const second = await node.take(2);
    expect([first.calls.length, second.calls.length]).toEqual([2, 1]);
    const taken = [...first.calls, ...second.calls];
    expect(taken.map(([id]) => id)).toEqual(taken.map(([id]) => id).toSorted((one, other) => one - other));
    // Results in another order than calls.
    for (const [id, , , , , , , args] of taken.toReversed()) await node.give(id, "OK", USAGE, `[${args}]`);
    expect(await Promise.all(replies)).toEqual(["[1]", "[2]", "[3]"]);
  });

  test("waits for none where the plan wants it here, and a node's own RUN is never handed", async () => {
    const server = await start(1);
    const client = server.client();
    await new PlayedNode(server).attach();
    expect(await call(client, "0", "[1]")).toBe("[1]");
    await planScript(client, 0);
    const run = (await client.call("LOCUS.NODE", "RUN", "script", "*", "0", "{}", "[2]")) as string[];
    expect(run[4]).toBe("[2]");
    await expectInfo(client, { calls_handed: "0", calls_not_handed: "" });
  });

  test("is one of the planned share", async () => {
    const server = await start(0.75);
    const [client, node] = [server.client(), await new PlayedNode(server).attach()];
    const over = new AbortController();
    const works = (async () => {
      while (!over.signal.aborted) {
        for (const [id] of (await node.take(16, 20)).calls) await node.give(id, "OK", USAGE, '"node"');
      }
    })();
    const replies: string[] = [];
    for (let index = 0; index < 40; index++) replies.push(await call(client, "0", '"here"'));
    over.abort();
    await works;
    expect(replies.filter((reply) => reply === '"node"')).toHaveLength(10);
  });

  test("goes where none is, whoever sent those that are at the other side, as long as the share holds", async () => {
    const server = await start(0.5);
    const [client, node] = [server.client(), await new PlayedNode(server).attach()];
    const atCompute = call(server.client());
    const [id] = await node.takeOne();
    // By its turn every second one of these would go to the node.
    for (let index = 0; index < 6; index++) expect(await call(client, "0", "[1]")).toBe("[1]");
    await expectInfo(client, { calls_handed: "1" });
    await node.give(id, "OK", USAGE, "2");
    expect(await atCompute).toBe("2");
    const here = server.client().call("LOCUS.NODE", "RUN", "script", "*", "0", "{}", '{"awaits":"go"}');
    await until(async () => (await info(client, "calls_in_flight")) === "1");
    const caller = server.client();
    for (let index = 0; index < 10; index++) {
      const replied = call(caller);
      const [next] = await node.takeOne();
      await node.give(next, "OK", USAGE, "3");
      expect(await replied).toBe("3");
    }
    await caller.set("go", "1");
    await here;
  });
});

describe("a call runs here after all", () => {
  test("when no node is attached, or none that may act for its caller or in its database", async () => {
    const server = await start();
    const client = server.client();
    expect(await call(client, "0", "[1]")).toBe("[1]");
    expect(await info(client, "calls_not_handed")).toBe("no_node=1");
    const node = await new PlayedNode(server).attach();
    await client.acl("SETUSER", "other", "on", "nopass", "+@all", "~*");
    expect(await call(server.client({ username: "other", password: "x" }), "0", "[2]")).toBe("[2]");
    expect(await call(server.client({ db: 3 }), "0", "[3]")).toBe("[3]");
    // Whom it may not act for it need not know.
    expect(await node.take(16, 0)).toEqual({ calls: [], cancelled: [], wanted: [] });
    await expectInfo(client, { calls_handed: "0", calls_not_handed: "no_node=1,user=1,database=1" });
  });

  test("and a node that has shown that it may act for a caller, there, gets the caller's calls", async () => {
    const server = await start();
    const client = server.client();
    await client.acl("SETUSER", "other", "on", "nopass", "+@all", "~*");
    const node = await new PlayedNode(server).attach();
    await speak(server.client({ ...brittle, username: "other", password: "x", db: 3 }), "node-1");
    const replied = call(server.client({ username: "other", password: "x", db: 3 }));
    const [id, , , , user, db] = await node.takeOne();
    expect([user, db]).toEqual(["other", 3]);
    await node.give(id, "OK", USAGE, "3");
    expect(await replied).toBe("3");
  });

  test("when the connection that spoke for its caller closes: it has not been taken, and the node stays attached", async () => {
    const server = await start();
    const client = server.client();
    await client.acl("SETUSER", "other", "on", "nopass", "+@all", "~*");
    const node = await new PlayedNode(server).attach();
    const speakers = [0, 1].map(() => server.client({ ...brittle, username: "other", password: "x" }));
    for (const speaker of speakers) await speak(speaker, "node-1");
    const [others, ours] = [
      call(server.client({ username: "other", password: "x" }), "0", "[1]"),
      call(server.client()),
    ];
    await waiting(client, 2);
    speakers[0]!.disconnect();
    await until(async () => String(await client.client("LIST")).split(" user=other ").length === 3);
    await waiting(client, 2);
    speakers[1]!.disconnect();
    expect(await others).toBe("[1]");
    const [id] = await node.takeOne();
    await node.give(id, "OK", USAGE, "2");
    expect(await ours).toBe("2");
    await expectInfo(client, { nodes_attached: "1", calls_taken_back: "1" });
  });

  test("when none acts for its caller; nodes are told for whom, each once, where acting is allowed", async () => {
    const server = await start(0, "node-act", "yes");
    const client = server.client();
    await client.acl("SETUSER", "other", "on", "nopass", "+@all", "~*");
    const node = await new PlayedNode(server).attach();
    const told = node.take();
    await until(async () => /blocked_clients:1/.test(await client.info("clients")));
    const other = server.client({ username: "other", password: "x" });
    expect(await call(other, "0", "[1]")).toBe("[1]");
    expect(await told).toEqual({ calls: [], cancelled: [], wanted: [["other", 0]] });
    expect(await call(other, "0", "[1]")).toBe("[1]");
    expect(await call(server.client({ db: 3 }), "0", "[1]")).toBe("[1]");
    expect(await node.take()).toEqual({ calls: [], cancelled: [], wanted: [["default", 3]] });
    expect(await node.take(16, 0)).toEqual({ calls: [], cancelled: [], wanted: [] });
    const late = await new PlayedNode(server).attach("node-2");
    expect(await late.take()).toEqual({
      calls: [],
      cancelled: [],
      wanted: [
        ["other", 0],
        ["default", 3],
      ],
    });
  });

  test("for as many callers as there are, of whom nodes are told the last 64", async () => {
    const server = await start(0, "node-act", "yes");
    const node = await new PlayedNode(server).attach();
    const client = server.client({ db: 1 });
    const names = Array.from({ length: 70 }, (_, index) => (index === 0 ? "u".repeat(257) : `user-${index}`));
    for (const name of names) {
      await client.acl("SETUSER", name, "on", "nopass", "+@all", "~*");
      await client.auth(name, "x");
      expect(await call(client, "0", "[1]")).toBe("[1]");
    }
    expect((await node.take()).wanted).toEqual(names.slice(6).map((name) => [name, 1]));
  });

  test("when the node gives it back, and its caller sees one call", async () => {
    const server = await start();
    const [client, node] = [server.client(), await new PlayedNode(server).attach()];
    const replied = call(client, "1", "k", "[1]");
    const [id] = await node.takeOne();
    expect(await node.give(id, "BACK", "no sandbox host came up")).toBe(1);
    expect(await replied).toBe("[1]");
    expect(await node.give(id, "OK", USAGE, "2")).toBe(0);
    await expectInfo(client, { calls_taken_back: "1", calls_returned: "0", calls: "1" });
  });

  test("when it is not taken in time; the node gets no more until it takes again", async () => {
    const server = await start();
    const [client, node] = [server.client(), await new PlayedNode(server).attach()];
    await client.call("LOCUS.CONFIG", "SET", "take-patience-ms", "20");
    expect(await call(client, "0", "[1]")).toBe("[1]");
    expect(await call(client, "0", "[2]")).toBe("[2]");
    await client.call("LOCUS.CONFIG", "SET", "take-patience-ms", "60000");
    await expectInfo(client, { calls_handed: "1", calls_taken_back: "1", calls_not_handed: "no_node=1" });
    const taken = node.take();
    await until(async () => /blocked_clients:1/.test(await client.info("clients")));
    const replied = call(client);
    await node.give((await taken).calls[0]![0], "OK", USAGE, "3");
    expect(await replied).toBe("3");
  });

  test("when its node is lost, or leaves, before it took it", async () => {
    const server = await start();
    const client = server.client();
    const leave: readonly ((node: PlayedNode) => Promise<unknown>)[] = [
      async (node) => node.giver.disconnect(),
      (node) => node.giver.call("LOCUS.NODE", "DETACH"),
    ];
    for (const leaves of leave) {
      const node = await new PlayedNode(server).attach();
      const replied = call(server.client(), "0", "[1]");
      await waiting(client, 1);
      await leaves(node);
      expect(await replied).toBe("[1]");
      node.taker.disconnect();
      await until(async () => (await info(client, "nodes_attached")) === "0");
    }
    expect(await info(client, "calls_taken_back")).toBe("2");
  });

  test("when what is out has as many bytes as may be out", async () => {
    const server = await start();
    const [client, node] = [server.client(), await new PlayedNode(server).attach()];
    const big = JSON.stringify("x".repeat(1024 * 1024 - 2));
    const out: (readonly [number, Promise<string>])[] = [];
    for (let index = 0; index < 64; index++) {
      const taken = node.takeOne();
      const replied = call(server.client(), "0", big);
      out.push([(await taken)[0], replied]);
    }
    expect(await call(client, "0", big)).toBe(big);
    await expectInfo(client, { calls_handed_taken: "64", calls_not_handed: "full=1" });
    for (const [id, replied] of out) {
      await node.give(id, "OK", USAGE, "1");
      expect(await replied).toBe("1");
    }
  });

  test("when more are out than a node may have", async () => {
    const server = await start();
    const [client, node] = [server.client(), await new PlayedNode(server).attach()];
    const callers = Array.from({ length: 1_024 }, () =>
      server.client({ ...brittle, enableReadyCheck: false, lazyConnect: true }),
    );
    for (const caller of callers) await caller.connect();
    const taken: number[] = [];
    const replies: Promise<string>[] = [];
    for (const caller of callers) {
      const next = node.takeOne();
      replies.push(call(caller, "0", "[1]"));
      taken.push((await next)[0]);
    }
    expect(await call(client, "0", "[2]")).toBe("[2]");
    await expectInfo(client, { calls_handed_taken: "1024", calls_not_handed: "full=1" });
    for (const id of taken) await node.give(id, "OK", USAGE, "1");
    expect(new Set(await Promise.all(replies))).toEqual(new Set(["1"]));
  });
});

test("a call that is pushed back waits for its node from then on, however long it ran here", async () => {
  const server = await start();
  const [client, node] = [server.client(), await new PlayedNode(server).attach()];
  const patienceMs = 500;
  await client.call("LOCUS.CONFIG", "SET", "take-patience-ms", String(patienceMs));
  await planScript(client, 1, 1_000);
  const taken = node.take();
  await until(async () => /blocked_clients:1/.test(await client.info("clients")));
  const begunMs = performance.now();
  const replied = call(server.client(), "0", JSON.stringify({ awaits: "go", raw: [PUSHED_BACK], mute: true }));
  await until(() => Promise.resolve(performance.now() - begunMs > 1.5 * patienceMs));
  await client.set("go", "1");
  await until(async () => (await info(client, "calls_pushed_back")) === "1");
  const [[id] = []] = (await taken).calls;
  await node.give(id!, "OK", USAGE, '"node"');
  expect(await replied).toBe('"node"');
  await expectInfo(client, { calls_handed: "1", calls_returned: "1", calls_taken_back: "0", calls_in_flight: "0" });
});

test("calls are pushed back while that wastes little of what calls of the function compute, and are let stay then, and counted", async () => {
  const server = await start();
  const [client, node] = [server.client(), await new PlayedNode(server).attach()];
  /** An outcome after so much computing: well ended, with a result of 1, or pushed back. */
  const ended = (cpuUs: number, isBack: boolean) => {
    const hex = outcome({ cpuUs, isBack, lengths: [isBack ? 0 : 1, 0, 0] }) + (isBack ? "" : "31");
    return JSON.stringify({ raw: [{ ring: "outcomes", hex }], mute: true });
  };
  const usage = (cpuUs: number): string => JSON.stringify({ ...NO_USAGE, cpuUs });
  const pushedBack = async (cpuUs: number, secondUs: number): Promise<string> => {
    const taken = node.takeOne();
    const replied = call(client, "0", ended(cpuUs, true));
    const [id] = await taken;
    await node.give(id, "OK", usage(secondUs), "2");
    return replied;
  };
  await planScript(client, 1, 1_000);
  expect(await pushedBack(499_000, 0)).toBe("2");
  expect(await pushedBack(101_000, 0)).toBe("2");
  await expectInfo(client, { calls_pushed_back: "2", calls_let_stay: "0" });
  // A debt of 100 ms. The second of these would have been pushed back.
  expect(await call(client, "0", ended(999, false))).toBe("1");
  expect(await call(client, "0", ended(1_000, false))).toBe("1");
  await expectInfo(client, { calls_pushed_back: "2", calls_let_stay: "1" });
  const [[, stats] = []] = (await client.call("LOCUS.FUNCTION", "STATS", "script")) as string[][];
  expect(JSON.parse(stats!)).toMatchObject({ pushedBack: 2, letStay: 1 });
  // Two seconds of computing pay for it, wherever that is.
  await planScript(client, 0, 1_000);
  const taken = node.takeOne();
  const replied = call(client);
  const [id] = await taken;
  await node.give(id, "OK", usage(2_000_000), "3");
  expect(await replied).toBe("3");
  await planScript(client, 1, 1_000);
  expect(await pushedBack(1_000, 0)).toBe("2");
  await expectInfo(client, { calls_pushed_back: "3", calls_let_stay: "1" });
});

describe("a call that was taken", () => {
  test("fails with its node when that has asked to write, since nobody can say what it had written", async () => {
    const server = await start();
    const [client, node] = [server.client(), await new PlayedNode(server).attach()];
    const replied = call(client);
    const [id] = await node.takeOne();
    expect(await node.writes(id)).toBe(1);
    await expect(node.give(id, "BACK", "no room")).rejects.toThrow(/^ERR a call that has asked to write cannot/);
    node.taker.disconnect();
    expect(await replied).toMatch(/SANDBOXDIED the node node-1 was lost while it ran script, which had begun to write/);
    await expectInfo(client, { nodes_attached: "0", calls_lost_with_node: "1", calls_handed_taken: "0" });
    await expect(node.giver.call("LOCUS.NODE", "TAKE", "1", "0")).rejects.toThrow(
      /^ERR this connection is not attached/,
    );
    await expect(node.writes(id)).rejects.toThrow(/^ERR this connection is not attached/);
  });

  test("runs here, unseen by its caller, when its node is lost before it asked to write; that may not write then", async () => {
    const server = await start();
    const [client, node] = [server.client(), await new PlayedNode(server).attach()];
    const other = await new PlayedNode(server).attach("node-2");
    await other.giver.call("LOCUS.NODE", "DETACH");
    const replied = call(client, "0", "[7]");
    const [id] = await node.takeOne();
    expect(await other.writes(id)).toBe(0);
    node.taker.disconnect();
    expect(await replied).toBe("[7]");
    await expect(node.writes(id)).rejects.toThrow(/^ERR this connection is not attached/);
    await expectInfo(client, { calls_run_again_after_node: "1", calls_lost_with_node: "0", calls_failed: "0" });
  });

  test("ends at its deadline, whatever its node does, and the node is told", async () => {
    const server = await start();
    const [client, node] = [server.client(), await new PlayedNode(server).attach()];
    await client.call("LOCUS.FUNCTION", "LOAD", "REPLACE", "script in 3000 ms");
    const replied = call(client);
    const [id, , , deadlineMs] = await node.takeOne();
    expect(deadlineMs).toBeLessThanOrEqual(3_000);
    expect(await replied).toMatch(/DEADLINE script did not end before its deadline, on the node node-1/);
    expect(await node.take(0)).toEqual({ calls: [], cancelled: [id], wanted: [] });
    expect(await node.give(id, "OK", USAGE, "1")).toBe(0);
    expect(await info(client, "calls_overdue_on_node")).toBe("1");
  });

  test("is cancelled on its node when its caller goes; one that was not taken is never seen", async () => {
    const server = await start();
    const [client, node] = [server.client(), await new PlayedNode(server).attach()];
    const callers = [server.client(brittle), server.client(brittle)] as const;
    const lost = call(callers[0]);
    const [id] = await node.takeOne();
    const cancelled = node.take(0);
    callers[0].disconnect();
    expect(await cancelled).toEqual({ calls: [], cancelled: [id], wanted: [] });
    const unseen = call(callers[1]);
    await waiting(client, 1);
    callers[1].disconnect();
    await waiting(client, 0);
    expect(await node.take(16, 0)).toEqual({ calls: [], cancelled: [], wanted: [] });
    expect(await node.give(id, "OK", USAGE, "1")).toBe(0);
    expect(await Promise.all([lost, unseen])).toEqual([
      expect.stringContaining("closed"),
      expect.stringContaining("closed"),
    ]);
    expect(await info(client, "calls_failed_by_code")).toBe("CANCELLED=2");
  });

  test("may be given after DETACH, which lets nothing more come", async () => {
    const server = await start();
    const [client, node] = [server.client(), await new PlayedNode(server).attach()];
    const replied = call(server.client());
    const [id] = await node.takeOne();
    expect(await node.giver.call("LOCUS.NODE", "DETACH")).toBe(1);
    expect(await call(client, "0", "[2]")).toBe("[2]");
    await node.give(id, "OK", USAGE, "1");
    expect(await replied).toBe("1");
  });

  test("stays out until something usable is given for it", async () => {
    const server = await start();
    const [client, node] = [server.client(), await new PlayedNode(server).attach()];
    const replied = call(client);
    const [id] = await node.takeOne();
    const error = (code: string) => JSON.stringify({ code, message: "", stack: "" });
    const wrong: readonly (readonly [readonly string[], RegExp])[] = [
      [["OK", USAGE], /^ERR usage/],
      [["FINE", USAGE, "1"], /^ERR usage/],
      [["OK", USAGE, ""], /result is no JSON on one line/],
      [["OK", USAGE, "1\n2"], /result is no JSON on one line/],
      [["OK", USAGE, "x".repeat(4 * 1024 * 1024 + 1)], /result has 4194305 bytes/],
      [["OK", "[]", "1"], /is no JSON object/],
      [["OK", "{}", "1"], /wallUs must be a number/],
      [["OK", JSON.stringify({ ...NO_USAGE, rounds: -1 }), "1"], /rounds must be a number/],
      [["OK", JSON.stringify({ ...NO_USAGE, lockUs: "1" }), "1"], /lockUs must be a number/],
      [["OK", " ".repeat(5_000), "1"], /more than 4096 bytes/],
      [["ERROR", USAGE, "{}"], /no error ""/],
      [["ERROR", USAGE, error("NOBODY_KNOWS")], /no error "NOBODY_KNOWS"/],
      [["ERROR", USAGE, "x".repeat(300_000)], /error has 300000 bytes/],
    ];
    for (const [what, message] of wrong) await expect(node.give(id, ...what)).rejects.toThrow(message);
    await expect(node.give(-1, "OK", USAGE, "1")).rejects.toThrow(/^ERR id is/);
    expect(await node.give(id + 1, "OK", USAGE, "1")).toBe(0);
    await node.give(id, "OK", USAGE, "1");
    expect(await replied).toBe("1");
  });
});

test("what a call replies does not depend on where it ran, in RESP2 and RESP3", async () => {
  const server = await start();
  const node = await new PlayedNode(server).attach();
  for (const protocol of ["2", "3"]) {
    const client = server.client();
    await client.call("HELLO", protocol);
    const replied = client.call("LOCUS.CALL", "script", "0", '["x"]');
    const [id, , , , , , , args] = await node.takeOne();
    await node.give(id, "OK", USAGE, args);
    await planScript(client, 1);
    expect(await replied).toBe(await client.call("LOCUS.CALL", "script", "0", '["x"]'));
    await planScript(client, 0);
  }
});

test("of what a call has computed seven eighths at most were for slow cores, whatever the sandbox host or a node tells", async () => {
  const server = await start();
  const [client, node] = [server.client(), await new PlayedNode(server).attach()];
  const toldOf = async (): Promise<unknown> => {
    const [[, stats] = []] = (await client.call("LOCUS.FUNCTION", "STATS", "script")) as string[][];
    return JSON.parse(stats!);
  };
  await planScript(client, 1);
  const hex = outcome({ cpuUs: 80, slowedUs: 1e12, lengths: [1, 0, 0] }) + "31";
  expect(await call(client, "0", JSON.stringify({ raw: [{ ring: "outcomes", hex }], mute: true }))).toBe("1");
  expect(await toldOf()).toMatchObject({ cpuUs: 80, slowedUs: 70 });
  await planScript(client, 0);
  const replied = call(client);
  const [id] = await node.takeOne();
  await node.give(id, "OK", JSON.stringify({ ...NO_USAGE, cpuUs: 800, slowedUs: 900 }), "2");
  expect(await replied).toBe("2");
  expect(await toldOf()).toMatchObject({ cpuUs: 880, slowedUs: 770 });
});
