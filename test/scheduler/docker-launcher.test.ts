// What the launcher of containers makes of an engine that is short of something for a while, which no real one is when a test wants it. With a real
// engine: test/containers/docker-driver.test.ts.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { mkdtempSync, rmSync } from "node:fs";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { DockerLauncher } from "#scheduler/driver/docker-launcher.ts";
import { specOf } from "./driver-contract.ts";

/** Has one container, which runs until it is killed; the first few times it refuses to. */
class ShortEngine {
  readonly socketPath: string;
  kills = 0;
  readonly #server: Server;
  readonly #refusals: number;
  readonly #exited = Promise.withResolvers<void>();

  constructor(folder: string, refusals: number) {
    this.socketPath = join(folder, "engine.sock");
    this.#refusals = refusals;
    this.#server = createServer((request, response) => void this.#answer(request, response));
    this.#server.on("upgrade", (_request, socket) => {
      socket.on("error", () => {});
      socket.write("HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n");
      socket.resume();
    });
  }

  async open(): Promise<void> {
    this.#server.listen(this.socketPath);
    await once(this.#server, "listening");
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  async #answer({ method, url = "" }: IncomingMessage, response: ServerResponse): Promise<void> {
    const [path = ""] = url.split("?");
    const say = (status: number, body?: object): void =>
      void response
        .writeHead(status, { "content-type": "application/json" })
        .end(body === undefined ? "" : JSON.stringify(body));
    switch (`${method} ${path}`) {
      case "GET /containers/json":
        return say(200, []);
      case "POST /containers/create":
        return say(201, { Id: "c" });
      case "POST /containers/c/start":
        return say(204);
      case "POST /containers/c/wait":
        await this.#exited.promise;
        return say(200, { StatusCode: 137 });
      case "GET /containers/c/json":
        return say(200, { State: { OOMKilled: false } });
      case "POST /containers/c/kill":
        if (++this.kills <= this.#refusals) return say(500, { message: "short of something" });
        this.#exited.resolve();
        return say(204);
      case "DELETE /containers/c":
        return say(204);
      default:
        return say(404, { message: `${method} ${path}` });
    }
  }
}

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "locus-engine-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

test("a container is killed though the engine refuses at first, and nobody else is once it has ended", async () => {
  const engine = new ShortEngine(folder, 2);
  await engine.open();
  try {
    const { socketPath } = engine;
    const launcher = await DockerLauncher.open({
      socketPath,
      image: "image",
      owner: "test",
      network: "none",
      data: null,
      onLog: () => {},
    });
    const agent = await launcher.launch(specOf());
    agent.output.resume();
    for (let times = 0; times < 3; times++) agent.kill();
    expect(await agent.ended).toEqual({ how: "with exit code 137", lackedMemory: false });
    agent.kill();
    await launcher.close();
    expect(engine.kills).toBe(3);
  } finally {
    await engine.close();
  }
});
