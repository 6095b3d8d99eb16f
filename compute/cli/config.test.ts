import { describe, expect, it } from "vitest";

import { readCliConfig } from "./config.ts";

describe("readCliConfig", () => {
  it("takes the node from --url, else LOCUS_URL, else this machine at the node's own port", () => {
    expect(readCliConfig("http://a:1/", { LOCUS_URL: "http://b:2" }).url).toBe("http://a:1");
    expect(readCliConfig(undefined, { LOCUS_URL: "http://b:2" }).url).toBe("http://b:2");
    expect(readCliConfig(undefined, { LOCUS_HTTP_PORT: "9000" }).url).toBe("http://127.0.0.1:9000");
    expect(readCliConfig(undefined, {}).url).toBe("http://127.0.0.1:8080");
  });

  it("takes Redis from the same settings as a node", () => {
    const { redis, user } = readCliConfig(undefined, { LOCUS_REDIS_URL: "rediss://u:p@h:1/2" });
    expect(redis).toEqual({ host: "h", port: 1, path: null, tls: true, database: 2 });
    expect(user).toEqual({ username: "u", password: "p" });
  });

  it("refuses what is no URL of a node, and settings that are not there", () => {
    expect(() => readCliConfig("compute1:8080", {})).toThrow(/"compute1:8080" is no URL of a node/);
    expect(() => readCliConfig(undefined, { LOCUS_URI: "x" })).toThrow(/LOCUS_URI: there is no such setting/);
  });
});
