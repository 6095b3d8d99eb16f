// The quotas of control groups, read by cores.cc from folders that look like a machine's; cores, of processes that are held to some.

import { execFileSync, spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { compileTested, hasCompiler } from "./tested-program.ts";

describe.skipIf(!hasCompiler)("cores.cc (skipped where there is no g++)", () => {
  const folder = mkdtempSync(join(tmpdir(), "locus-cores-"));
  let program = "";
  beforeAll(() => {
    program = compileTested("cores", folder, ["cgroups.cc"]);
  }, 120_000);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  /** What is found on a machine that has these files. */
  const quotaOf = (files: Readonly<Record<string, string>>): string => {
    const root = mkdtempSync(join(folder, "machine-"));
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), text);
    }
    return execFileSync(program, [root], { encoding: "utf8" }).trim();
  };

  test.each([
    ["none without control groups", {}, "none"],
    [
      "none where the group has none",
      { "proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "max 100000\n" },
      "none",
    ],
    ["a container's own", { "proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "150000 100000\n" }, "1.500000"],
    [
      "the smallest of the groups around a process",
      {
        "proc/self/cgroup": "0::/pod/container/locus\n",
        "sys/fs/cgroup/pod/cpu.max": "200000 100000\n",
        "sys/fs/cgroup/pod/container/cpu.max": "400000 100000\n",
        "sys/fs/cgroup/pod/container/locus/cpu.max": "max 100000\n",
      },
      "2.000000",
    ],
    [
      "version 1's, whose path may be the host's",
      {
        "proc/self/cgroup": "12:memory:/x\n4:cpu,cpuacct:/docker/0123\n2:cpuset:/\n1:name=systemd:/y:z\n",
        "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "50000\n",
        "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
      },
      "0.500000",
    ],
    [
      "none where version 1 says so",
      {
        "proc/self/cgroup": "4:cpu:/\n0::/\n",
        "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
        "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
      },
      "none",
    ],
    [
      "nothing of nonsense",
      {
        "proc/self/cgroup": "nonsense\n0:\n::\n0::\n0::/x\n",
        "sys/fs/cgroup/x/cpu.max": "much",
        "sys/fs/cgroup/cpu.max": "",
      },
      "none",
    ],
  ])("finds %s", (_title, files, quota) => {
    expect(quotaOf(files)).toBe(quota);
  });

  const cores = allowedCores();
  const heldTo = (core: number, ...argv: readonly string[]): string =>
    execFileSync("taskset", ["--cpu-list", String(core), program, ...argv], { encoding: "utf8" });

  test("counts the cores that the process may run on", () => {
    expect(heldTo(cores[0]!)).toBe("1\n");
  });

  describe("threads of another process that may spin", () => {
    /** For a process that is held to `others`, as one sees it that is held to `own`. */
    const spinners = (own: number, others: readonly number[]): number => {
      const other = spawn("taskset", ["--cpu-list", others.join(","), "sleep", "60"], { stdio: "ignore" });
      try {
        // taskset becomes the other program when it has set its cores.
        while (!readFileSync(`/proc/${other.pid}/comm`, "utf8").startsWith("sleep"));
        return Number(heldTo(own, String(other.pid)));
      } finally {
        other.kill();
      }
    };

    test("none, where both have the same core alone", () => {
      expect(spinners(cores[0]!, [cores[0]!])).toBe(0);
    });

    test.skipIf(cores.length < 2)("as many as it has cores, where the other has one besides", () => {
      expect(spinners(cores[0]!, [cores[1]!])).toBe(1);
    });

    test.skipIf(cores.length < 2)("one less than there are cores, where it has all", () => {
      expect(spinners(cores[0]!, cores)).toBe(cores.length - 1);
    });

    test("none of a process that is gone", () => {
      const gone = spawnSync("true");
      expect(heldTo(cores[0]!, String(gone.pid))).toBe("0\n");
    });
  });
});

/** That this process may run on. */
function allowedCores(): readonly number[] {
  const list = /^Cpus_allowed_list:\s*(\S+)$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? "";
  return list.split(",").flatMap((range) => {
    const [first = 0, last = first] = range.split("-").map(Number);
    return Array.from({ length: last - first + 1 }, (_, index) => first + index);
  });
}
