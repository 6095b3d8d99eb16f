// LOCUS.NODE ATTACH: whose an attachment is, what it needs, and what of it there may be. The node is played by the test, and AddressSanitizer
// watches the module.

import { describe, expect, test } from "vitest";

import { call, expectInfo, handingServers, info, USAGE, waiting } from "./handing-server.ts";
import { attach, brittle, PlayedNode, SECRET, speak, type TakenCall } from "./played-node.ts";
import { until } from "./scripted-host.ts";

const start = handingServers();

describe("an attachment", () => {
  test("is its own: nobody else takes from it or gives for it", async () => {
    const server = await start();
    const [client, node] = [server.client(), await new PlayedNode(server).attach()];
    await expect(attach(client, "node-1", "another secret of it")).rejects.toThrow(/^ERR a node "node-1" is attached/);
    await expect(client.call("LOCUS.NODE", "TAKE", "1", "0")).rejects.toThrow(/not attached/);
    await expect(client.call("LOCUS.NODE", "DETACH")).rejects.toThrow(/not attached/);
    const replied = call(server.client());
    const [id] = await node.takeOne();
    await expect(client.call("LOCUS.NODE", "GIVE", String(id), "OK", USAGE, "1")).rejects.toThrow(/not attached/);
    const other = await new PlayedNode(server).attach("node-2");
    expect(await other.give(id, "OK", USAGE, "1")).toBe(0);
    expect(await node.give(id, "OK", USAGE, "2")).toBe(1);
    expect(await replied).toBe("2");
  });

  test.each(["attach", "detach", "take", "give"])("needs a right of its own to %s", async (subcommand) => {
    const server = await start();
    await server.client().acl("SETUSER", "some", "on", "nopass", "+@all", `-locus.node|${subcommand}`);
    const some = server.client({ username: "some", password: "x" });
    const args = { attach: ["a", SECRET], detach: [], take: ["1", "0"], give: ["1", "BACK", ""] }[subcommand] ?? [];
    await expect(some.call("LOCUS.NODE", subcommand, ...args)).rejects.toThrow(/^NOPERM/);
  });

  test("is refused where its id, its secret or the place of the call will not do", async () => {
    const server = await start();
    const client = server.client();
    for (const id of ["", "a b", "a\n", "x".repeat(129)]) {
      await expect(attach(client, id)).rejects.toThrow(/^ERR the node's id is/);
    }
    for (const secret of ["", "short", "x".repeat(129)]) {
      await expect(attach(client, "node-1", secret)).rejects.toThrow(/^ERR the secret must have/);
    }
    const [[refused] = []] = (await client.multi().call("LOCUS.NODE", "ATTACH", "a", SECRET).exec()) ?? [];
    expect(String(refused)).toMatch(/STORAGEREFUSED/);
    await expect(client.call("LOCUS.NODE", "ATTACH", "node-1", SECRET, "SHOUTS")).rejects.toThrow(/wrong number/);
    await expect(speak(client, "node-1")).rejects.toThrow(/^ERR no node "node-1" is attached/);
    await attach(client, "node-1");
    await attach(client, "node-1");
    await expect(attach(client, "node-2")).rejects.toThrow(/^ERR this connection is attached as "node-1"/);
    for (const [max, timeoutMs] of [
      ["257", "0"],
      ["-1", "0"],
      ["1", "60001"],
    ] as const) {
      await expect(client.call("LOCUS.NODE", "TAKE", max, timeoutMs)).rejects.toThrow(/^ERR (?:max|timeoutMs) is/);
    }
    await expectInfo(client, { nodes_attached: "1" });
  });

  test("has a bound on its connections, and there is one on attachments", async () => {
    const server = await start();
    const connections = Array.from({ length: 16 }, () => server.client());
    for (const connection of connections) await attach(connection, "node-0");
    await expect(attach(server.client(), "node-0")).rejects.toThrow(/^OVERLOADED .*16 connections/);
    for (let index = 1; index < 64; index++) await attach(server.client(), `node-${index}`);
    const last = server.client();
    await expect(attach(last, "node-64")).rejects.toThrow(/^OVERLOADED 64 nodes/);
    connections[0]!.disconnect();
    await until(async () => (await info(last, "nodes_attached")) === "63");
    await attach(last, "node-64");
  });

  test("shares the calls with others by how many each has", async () => {
    const server = await start();
    const client = server.client();
    const nodes = [await new PlayedNode(server).attach("node-1"), await new PlayedNode(server).attach("node-2")];
    const replies = Array.from({ length: 6 }, () => call(server.client()));
    await waiting(client, 6);
    for (const node of nodes) {
      const { calls } = await node.take();
      expect(calls).toHaveLength(3);
      for (const [id] of calls) await node.give(id, "OK", USAGE, "1");
    }
    expect(await Promise.all(replies)).toEqual(Array.from({ length: 6 }, () => "1"));
  });

  test("that waits for calls is told when its time is over, and its other takers wait on", async () => {
    const server = await start();
    const client = server.client();
    const node = await new PlayedNode(server).attach();
    const other = server.client(brittle);
    await attach(other, "node-1");
    const long = other.call("LOCUS.NODE", "TAKE", "1", "60000") as Promise<[TakenCall[], number[]]>;
    await until(async () => /blocked_clients:1/.test(await client.info("clients")));
    expect(await node.take(1, 20)).toEqual({ calls: [], cancelled: [], wanted: [] });
    const replied = call(client);
    const [[taken]] = await long;
    await node.give(taken![0], "OK", USAGE, "1");
    expect(await replied).toBe("1");
  });
});
