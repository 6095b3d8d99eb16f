import { describe, expect, it } from "vitest";

import type { Environment } from "#runtime/setting.ts";
import { readCliConfig } from "./config.ts";

describe("readCliConfig", () => {
  it("takes the node from --url, else LOCUS_URL, else this machine at the node's own port, and says which", () => {
    const nodeOf = (urlGiven: string | undefined, environment: Environment) =>
      readCliConfig(urlGiven, environment).node;
    expect(nodeOf("http://a:1/", { LOCUS_URL: "http://b:2" })).toEqual({
      url: "http://a:1",
      from: "--url",
      isNamed: true,
    });
    expect(nodeOf(undefined, { LOCUS_URL: "http://b:2" })).toMatchObject({ url: "http://b:2", from: "LOCUS_URL" });
    const here = nodeOf(undefined, { LOCUS_HTTP_PORT: "9000" });
    expect(here).toEqual({ url: "http://127.0.0.1:9000", from: "LOCUS_HTTP_PORT", isNamed: false });
    expect(nodeOf(undefined, {})).toMatchObject({ url: "http://127.0.0.1:8080", from: "default" });
  });

  it("says which settings told where Redis is", () => {
    expect(readCliConfig(undefined, {}).redisFrom).toBe("default");
    const { redisFrom } = readCliConfig(undefined, { LOCUS_REDIS_URL: "redis://h", LOCUS_REDIS_PASSWORD: "secret" });
    expect(redisFrom).toBe("LOCUS_REDIS_URL, LOCUS_REDIS_PASSWORD");
  });

  it.each([
    ["http://h:99999", /^--url: the port of "http:\/\/h:99999" cannot be used: .*from 1 to 65535/],
    ["http://h:0/", /^--url: the port of .*from 1 to 65535/],
    ["http://", /^--url: "http:\/\/" is no URL of a node/],
    ["h:8080", /^--url: "h:8080" is no URL of a node \(Did you mean http:\/\/h:8080\?\)$/],
    ["[::1]:8080", /^--url: "\[::1\]:8080" is no URL of a node \(Did you mean http:\/\/\[::1\]:8080\?\)$/],
    ["h:80:80", /^--url: "h:80:80" is no URL of a node \(http:\/\/host:port\)$/],
    ["redis://h", /^--url: "redis:\/\/h" is no URL of a node/],
  ])("says what is wrong with %s", (url, message) => {
    expect(() => readCliConfig(url, {})).toThrow(message);
  });

  it("tells a wrong LOCUS_HTTP_PORT only to who would use it", () => {
    const environment = { LOCUS_HTTP_PORT: "many" };
    expect(() => readCliConfig(undefined, environment)).toThrow(/LOCUS_HTTP_PORT: "many"/);
    expect(readCliConfig("http://h", environment).node.url).toBe("http://h");
  });

  it("takes Redis from the same settings as a node", () => {
    const { redis, user } = readCliConfig(undefined, { LOCUS_REDIS_URL: "rediss://u:p@h:1/2" });
    expect(redis).toEqual({ host: "h", port: 1, path: null, tls: true, database: 2 });
    expect(user).toEqual({ username: "u", password: "p" });
  });

  it("refuses what is no URL of a node, and settings that are not there", () => {
    expect(() => readCliConfig("compute1:8080", {})).toThrow(/--url: "compute1:8080" is no URL of a node/);
    expect(() => readCliConfig(undefined, { LOCUS_URI: "x" })).toThrow(
      /LOCUS_URI: there is no such setting \(Did you mean LOCUS_URL\?\)$/,
    );
    for (const [name, told] of [
      ["LOCUS_REDSI_PORT", /there is no such setting \(Did you mean LOCUS_REDIS_PORT\?\)$/],
      ["LOCUS_FOO", /^LOCUS_FOO: there is no such setting$/],
    ] as const) {
      expect(() => readCliConfig(undefined, { [name]: "1" })).toThrow(told);
    }
  });
});
