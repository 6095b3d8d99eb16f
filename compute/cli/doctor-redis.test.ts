import { expect, it } from "vitest";
import { examineInfo, startCommand } from "./doctor-redis.ts";

it("finds nothing amiss in a Redis that writes what it has to", () => {
  expect(examineInfo("rdb_last_bgsave_status:ok\r\naof_last_write_status:ok\r\nlocus_hosts_obstacle:\r\n")).toEqual([]);
});

it("tells a Redis that cannot write to its folder", () => {
  const [finding, ...others] = examineInfo("rdb_last_bgsave_status:err\r\naof_last_write_status:ok\r\n");
  expect(others).toEqual([]);
  expect(finding).toMatchObject({ status: "missing", found: "the last write failed: rdb_last_bgsave_status" });
});

it("tells a storage side that was switched off, and how to switch it on: nothing has to be started again", () => {
  const off = "locus_enabled:no\r\nlocus_hosts_obstacle:the module's setting enabled is no\r\n";
  expect(examineInfo(off)).toEqual([
    expect.objectContaining({ status: "warning", mend: expect.stringMatching(/^LOCUS\.CONFIG SET enabled yes/) }),
  ]);
});

it("passes on why the module has no hosts", () => {
  const [finding] = examineInfo("locus_hosts_obstacle:/nowhere/node is missing or may not be executed\r\n");
  expect(finding).toMatchObject({ status: "missing", found: "/nowhere/node is missing or may not be executed" });
});

it.each([
  [{ path: null, port: 6_380 }, "redis-server --port 6380 --loadmodule /"],
  [{ path: "/run/redis.sock", port: 6_379 }, "redis-server --port 0 --unixsocket /run/redis.sock --loadmodule /"],
])("says how to start a server where it is looked for: %j", (address, beginning) => {
  expect(startCommand(address)).toContain(beginning);
});
