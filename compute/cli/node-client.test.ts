import { once } from "node:events";
import { type RequestListener, createServer } from "node:http";
import type { AddressInfo } from "node:net";

import { describe, expect, it, onTestFinished } from "vitest";

import { ERRORS } from "#runtime/errors.ts";
import { NodeClient } from "./node-client.ts";

/** A client of something else than a node. */
const clientOf = async (answer: RequestListener): Promise<{ readonly client: NodeClient; readonly url: string }> => {
  const server = createServer(answer).listen(0, "127.0.0.1");
  onTestFinished(() => void server.close());
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { client: new NodeClient({ url, from: "--url" }, new AbortController().signal), url };
};

describe("NodeClient", () => {
  it.each([
    [404, "text/html;charset=utf-8", "<!DOCTYPE HTML>\n"],
    [200, "text/html", "<!DOCTYPE HTML>\n"],
    [502, "application/json", '{"message":"upstream"}'],
    [500, "application/json", "{"],
    [403, "application/problem+json", "null"],
  ])(
    "says of a server that answers with %i, %s that it is no node, and where it looked",
    async (status, type, body) => {
      const { client, url } = await clientOf((_request, response) =>
        response.writeHead(status, { "content-type": type }).end(body),
      );
      const refused = {
        code: "NODE_UNAVAILABLE",
        message: `what answers at ${url} (--url) is no node of locus: /v1/functions is ${status} there, ${type}`,
        remedy: ERRORS.NODE_UNAVAILABLE.remedy,
      };
      await expect(client.list()).rejects.toMatchObject(refused);
      await expect(client.deploy(new Uint8Array(8))).rejects.toMatchObject(refused);
    },
  );

  it("lists all functions, however many pages they take", async () => {
    const { client } = await clientOf(({ url = "" }, response) => {
      const after = new URL(url, "http://node").searchParams.get("after");
      const page = after === "" ? { functions: ["a", "b"], next: "b" } : { functions: [`after ${after}`], next: null };
      response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(page));
    });
    expect(await client.list()).toEqual(["a", "b", "after b"]);
  });

  it("says it where what is asked for is a stream of lines", async () => {
    const { client } = await clientOf((_request, response) => response.end("hello\n"));
    await expect(client.logs(null, true).next()).rejects.toMatchObject({
      code: "NODE_UNAVAILABLE",
      message: expect.stringMatching(/is no node of locus: \/v1\/logs is 200 there, without a content-type$/),
    });
  });
});
