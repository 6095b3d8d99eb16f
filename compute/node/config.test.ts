import { describe, expect, it } from "vitest";

import { readNodeConfig } from "./config.ts";

const mistakesOf = (environment: Record<string, string>): readonly string[] => {
  try {
    readNodeConfig(environment);
  } catch (error) {
    expect(error).toMatchObject({ code: "CONFIG_INVALID" });
    return (error as Error).message.split("\n  ").slice(1);
  }
  return [];
};

describe("readNodeConfig", () => {
  it("needs no setting at all", () => {
    const config = readNodeConfig({ PATH: "/bin" });
    expect(config.redis).toEqual({ host: "127.0.0.1", port: 6379, path: null, tls: false, database: 0 });
    expect(config).toMatchObject({ httpHost: "127.0.0.1", httpPort: 8080, logLevel: "info" });
    expect(config.functionUser).toEqual({ username: null, password: null });
  });

  it("takes Redis apart from a URL", () => {
    const { redis, nodeUser } = readNodeConfig({ LOCUS_REDIS_URL: "redis://node:p%40ss@[::1]:7000/3" });
    expect(redis).toEqual({ host: "::1", port: 7000, path: null, tls: false, database: 3 });
    expect(nodeUser).toEqual({ username: "node", password: "p@ss" });
    expect(readNodeConfig({ LOCUS_REDIS_URL: "unix:///run/redis.sock" }).redis.path).toBe("/run/redis.sock");
  });

  it("speaks TLS where the URL says so, and trusts whom it is told to", () => {
    expect(readNodeConfig({ LOCUS_REDIS_URL: "rediss://h" }).redis).toMatchObject({ host: "h", tls: true });
    const { redis } = readNodeConfig({ LOCUS_REDIS_TLS: "on", LOCUS_REDIS_CA: import.meta.filename });
    expect(redis.authorities).toContain("trusts whom it is told to");
  });

  it("lets a single setting add what the URL leaves open, and not what it says", () => {
    const added = readNodeConfig({ LOCUS_REDIS_URL: "redis://storage", LOCUS_REDIS_PASSWORD: "secret" });
    expect(added.nodeUser).toEqual({ username: null, password: "secret" });
    expect(mistakesOf({ LOCUS_REDIS_URL: "redis://storage", LOCUS_REDIS_HOST: "other" })).toEqual([
      "LOCUS_REDIS_URL: its host is given by a setting of its own as well",
    ]);
  });

  it("runs functions as the node's own user unless they have one of their own", () => {
    const shared = readNodeConfig({ LOCUS_REDIS_USER: "node", LOCUS_REDIS_PASSWORD: "a" });
    expect(shared.functionUser).toEqual(shared.nodeUser);
    const apart = readNodeConfig({ LOCUS_FUNCTION_USER: "guest", LOCUS_FUNCTION_PASSWORD: "b" });
    expect(apart.functionUser).toMatchObject({ username: "guest", password: "b" });
  });

  it.each([
    ["process", { LOCUS_SCHEDULER: "off" }, /^LOCUS_DRIVER: nobody would start a process: with LOCUS_SCHEDULER=off/],
    ["docker", {}, /^LOCUS_DRIVER: a container cannot reach Redis at 127\.0\.0\.1; .*LOCUS_DOCKER_NETWORK=host/],
    ["docker", { LOCUS_REDIS_HOST: "localhost", LOCUS_DOCKER_NETWORK: "own" }, /Redis at localhost/],
    ["docker", { LOCUS_REDIS_PATH: "/run/redis.sock" }, /^LOCUS_DRIVER: .* Unix socket/],
    ["process", { LOCUS_CGROUP: "../locus" }, /^LOCUS_CGROUP: "\.\.\/locus" is no folder below \/sys\/fs\/cgroup$/],
    ["process", { LOCUS_CGROUP: "/locus" }, /^LOCUS_CGROUP: /],
    ["podman", {}, /^LOCUS_DRIVER: "podman" is none of isolate, process, docker$/],
  ])("starts no node whose instances would be a %s where %o", (driver, environment, mistake) => {
    expect(mistakesOf({ LOCUS_DRIVER: driver, ...environment })).toEqual([expect.stringMatching(mistake)]);
  });

  it.each([
    { LOCUS_DRIVER: "process", LOCUS_REDIS_PATH: "/run/redis.sock", LOCUS_CGROUP: "system.slice/locus.service" },
    { LOCUS_DRIVER: "docker", LOCUS_REDIS_HOST: "storage" },
    { LOCUS_DRIVER: "docker", LOCUS_DOCKER_NETWORK: "host" },
    { LOCUS_DRIVER: "docker", LOCUS_DOCKER_NETWORK: "container:redis" },
    { LOCUS_DRIVER: "isolate", LOCUS_SCHEDULER: "off" },
  ])("takes instances that reach their Redis: %o", (environment) => {
    expect(mistakesOf(environment)).toEqual([]);
  });

  it("tells every mistake at once, and repeats no password", () => {
    const mistakes = mistakesOf({
      LOCUS_HTTP_PORT: "eighty",
      LOCUS_IN_FLIGHT_MAX: "0",
      LOCUS_LOG_LEVEL: "loud",
      LOCUS_REDIS_URL: "http://user:secret@storage",
      LOCUS_REDIS_TLS: "yes",
      LOCUS_FUNCTION_PASSWORD: "alone",
      LOCUS_HTTP_PROT: "8080",
    });
    expect(mistakes.map((mistake) => mistake.slice(0, mistake.indexOf(":"))).toSorted()).toEqual([
      "LOCUS_FUNCTION_PASSWORD",
      "LOCUS_HTTP_PORT",
      "LOCUS_HTTP_PROT",
      "LOCUS_IN_FLIGHT_MAX",
      "LOCUS_LOG_LEVEL",
      "LOCUS_REDIS_TLS",
      "LOCUS_REDIS_URL",
    ]);
    expect(mistakes.join()).not.toContain("secret");
    expect(mistakes).toContain('LOCUS_HTTP_PORT: "eighty" is no whole number from 0 to 65535');
    expect(mistakes).toContain("LOCUS_HTTP_PROT: there is no such setting (Did you mean LOCUS_HTTP_PORT?)");
  });

  it("takes for a scheduler those that it knows by name, and any endpoint where the secret is known on both sides", () => {
    for (const scheduler of ["auto", "off", "contest"]) {
      expect(readNodeConfig({ LOCUS_SCHEDULER: scheduler })).toMatchObject({ scheduler });
    }
    const apart = { LOCUS_SCHEDULER: "h:10600" };
    expect(mistakesOf(apart)).toEqual([expect.stringContaining("set LOCUS_GRPC_SECRET here and there")]);
    expect(readNodeConfig({ ...apart, LOCUS_GRPC_SECRET: "s3cret" })).toMatchObject({ scheduler: "h:10600" });
    for (const wrong of ["contests", "h", "h:0", "h:65536"]) {
      expect(mistakesOf({ LOCUS_SCHEDULER: wrong })).toEqual([
        `LOCUS_SCHEDULER: "${wrong}" is none of auto, off, contest and host:port`,
      ]);
    }
  });

  it.each([
    ["redis://h:99999", 'its port "99999" is no whole number from 1 to 65535'],
    ["redis://u:p@[::1]:port/3", 'its port "port" is no whole number from 1 to 65535'],
    ["redis://h:0", 'its port "0" is no whole number from 1 to 65535'],
    ["redis://h/first", 'its database "first" is no whole number from 0 to 65535'],
    ["redis://us%er@h", "its user has a % that begins no character (write a % as %25)"],
    ["redis://:6379", "names no host"],
    ["http://h", "begins with http://, which is none of redis, rediss, unix"],
    ["redis://u:secret/rest@h", "has an @ behind its host (in a user or password, write / ? # as %2F, %3F, %23)"],
    [
      "redis://h?db=2&password=secret",
      "has a ? behind its path, which is not read: write the database as in redis://user:password@host:6379/0, or set LOCUS_REDIS_DB",
    ],
    [
      "unix:///s?db=2",
      "has a ? behind its path, which is not read: write the database as in redis://user:password@host:6379/0, or set LOCUS_REDIS_DB",
    ],
    [
      "rediss://h/1#tls",
      "has a # behind its path, which is not read: write the database as in redis://user:password@host:6379/0, or set LOCUS_REDIS_DB",
    ],
  ])("says which part of %s is wrong", (url, mistake) => {
    expect(mistakesOf({ LOCUS_REDIS_URL: url })).toEqual([`LOCUS_REDIS_URL: ${mistake}`]);
  });

  it.each([
    ["a socket with a host", { LOCUS_REDIS_PATH: "/s", LOCUS_REDIS_HOST: "h" }],
    ["a URL that is none", { LOCUS_REDIS_URL: "storage:6379" }],
    ["authorities without TLS", { LOCUS_REDIS_CA: import.meta.filename }],
    ["authorities in a file that is not there", { LOCUS_REDIS_URL: "rediss://h", LOCUS_REDIS_CA: "/no/such/file" }],
  ])("refuses %s", (_title, environment) => {
    expect(mistakesOf(environment)).toHaveLength(1);
  });

  it("takes an empty variable for one that is not set", () => {
    expect(readNodeConfig({ LOCUS_REDIS_HOST: "", LOCUS_HTTP_PORT: "" }).httpPort).toBe(8080);
  });
});
