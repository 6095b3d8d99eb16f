// The network that a soak breaks: what goes through it, and what does not.

import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { NetworkLink } from "./network-link.ts";

let directory: string;
let server: Server;
let link: NetworkLink;
/** At the far end: each gives back what it gets. */
let served: Socket[];
let clients: Socket[];

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "locus-link-"));
  served = [];
  clients = [];
  server = createServer({ allowHalfOpen: true }, (socket) => {
    served.push(socket);
    socket.on("error", () => {});
    socket.on("data", (chunk) => socket.write(chunk));
  });
  server.listen(join(directory, "far.sock"));
  await once(server, "listening");
  link = await NetworkLink.open();
  link.leadTo(join(directory, "far.sock"));
});

afterEach(async () => {
  for (const socket of [...clients, ...served]) socket.destroy();
  await link.close();
  server.close();
  rmSync(directory, { recursive: true });
});

async function open(through = link): Promise<Socket> {
  const client = connect({ port: through.port, host: "127.0.0.1", allowHalfOpen: true });
  client.on("error", () => {});
  clients.push(client);
  await once(client, "connect");
  return client;
}

async function echo(client: Socket, text: string): Promise<string> {
  client.write(text);
  const [chunk] = (await once(client, "data")) as [Buffer];
  return chunk.toString();
}

/** However it came to it. */
const ended = (socket: Socket): Promise<void> =>
  new Promise((resolve) => {
    if (socket.closed) resolve();
    for (const event of ["end", "close"]) socket.once(event, () => resolve());
  });

it("passes on what comes, both ways", async () => {
  const client = await open();
  expect(await echo(client, "one")).toBe("one");
  expect(await echo(client, "two")).toBe("two");
  expect(link.connections).toBe(1);
});

it("passes on a reply that is larger than it holds", async () => {
  const client = await open();
  const bytes = 4 * 1024 * 1024;
  client.write(Buffer.alloc(bytes, "x"));
  let came = 0;
  for await (const chunk of client) {
    came += (chunk as Buffer).length;
    if (came === bytes) break;
  }
  expect(came).toBe(bytes);
});

it("breaks all connections when it is cut, and takes none until it is healed", async () => {
  const client = await open();
  await echo(client, "one");
  const gone = [ended(client), ended(served[0]!)];
  link.cut();
  await Promise.all(gone);
  const refused = connect(link.port, "127.0.0.1");
  refused.on("error", () => {});
  await ended(refused);
  expect(served).toHaveLength(1);
  link.heal();
  expect(await echo(await open(), "two")).toBe("two");
});

it("lets nothing through while it is stalled, and then all of it in order", async () => {
  const client = await open();
  await echo(client, "one");
  link.stall();
  let came = "";
  client.on("data", (chunk: Buffer) => (came += chunk.toString()));
  client.write("two");
  client.write("three");
  // A connection made meanwhile is stalled as well, but another link's is not.
  const other = await NetworkLink.open();
  other.leadTo(join(directory, "far.sock"));
  expect(await echo(await open(other), "beside")).toBe("beside");
  expect(came).toBe("");
  link.heal();
  await expect.poll(() => came).toBe("twothree");
  await other.close();
});

it("slows down what goes through it, and is fast again when it is healed", async () => {
  const client = await open();
  link.slow(60_000);
  let came = "";
  client.on("data", (chunk: Buffer) => (came += chunk.toString()));
  client.write("one");
  await expect.poll(() => link.connections).toBe(1);
  expect(came).toBe("");
  link.heal();
  await expect.poll(() => came).toBe("one");
});

it.each(["from server", "to server"] as const)("ends one direction: %s", async (direction) => {
  const client = await open();
  await echo(client, "one");
  const end = once(direction === "from server" ? client : served[0]!, "end");
  (direction === "from server" ? client : served[0]!).resume();
  link.halfClose(direction);
  await end;
  expect((direction === "from server" ? served[0]! : client).readableEnded).toBe(false);
});

it("is closed when nobody is connected to either end any more, and its port is free", async () => {
  const [client, other] = [await open(), await open()];
  await echo(client, "one");
  other.end();
  const { port } = link;
  await Promise.all([link.close(), link.close()]);
  expect(link.connections).toBe(0);
  const successor = createServer();
  successor.listen(port, "127.0.0.1");
  await once(successor, "listening");
  successor.close();
});

it("leads elsewhere when it is told to, and what it had led to is broken", async () => {
  const client = await open();
  await echo(client, "one");
  const other = createServer((socket) => socket.on("error", () => {}).end("other"));
  other.listen(join(directory, "other.sock"));
  await once(other, "listening");
  const gone = [ended(client), ended(served[0]!)];
  link.leadTo(join(directory, "other.sock"));
  await Promise.all(gone);
  const [chunk] = (await once(await open(), "data")) as [Buffer];
  expect(chunk.toString()).toBe("other");
  other.close();
});
