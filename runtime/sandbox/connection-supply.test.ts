// What is said of connections that hosts are given, and lose. Over real sockets; the host is played. With real ones: test/sandbox/connections.test.ts.

import { once } from "node:events";
import { createServer, type AddressInfo, type Server } from "node:net";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { ConnectionSupply } from "./connection-supply.ts";

const UNTRUSTED = "no TLS session with Redis as 127.0.0.1: self-signed certificate";
const TOLD = `${UNTRUSTED}; LOCUS_REDIS_CA names the file with the authorities to trust`;
const HANDED_MIN = 6;

let server: Server;
let supply: ConnectionSupply;
beforeEach(async () => {
  server = createServer((socket) => socket.on("error", () => {})).listen(0, "127.0.0.1");
  await once(server, "listening");
});
afterEach(() => {
  supply.close();
  server.close();
});

it("tells once of a certificate that hosts do not trust, and of the return of Redis when a connection lasts", async () => {
  const { port } = server.address() as AddressInfo;
  const lines: string[] = [];
  const tls = { serverName: "127.0.0.1", authorities: "" };
  let handed = 0;
  let isTrusted = false;
  supply = new ConnectionSupply(
    { host: "127.0.0.1", port, database: 0, connections: 1, tls },
    ({ text }) => lines.push(text),
    (host, connection) => {
      handed += 1;
      if (!isTrusted) setImmediate(() => supply.want(host, connection, UNTRUSTED));
      return true;
    },
  );
  supply.want(0, 0, "");
  await vi.waitFor(() => expect(handed).toBeGreaterThanOrEqual(HANDED_MIN), { timeout: 60_000 });
  expect(lines).toEqual([TOLD]);
  isTrusted = true;
  await vi.waitFor(() => expect(lines).toEqual([TOLD, "Redis can be reached again"]), { timeout: 60_000 });
});
