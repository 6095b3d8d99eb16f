// Ctrl-C in the command line tools: exit code 130, and what was done by then is told.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { type Stack, startStack } from "#bench/stack.ts";
import { type Ended, type Running, startTool, type Tool } from "#test/tool.ts";

const TALKING = `import { defineFunction } from "locus/function";
export default defineFunction({ name: "talking", run: ({ log }) => log.info("hello") });`;
const MANY = "1000000";

let stack: Stack;
let folder: string;
beforeAll(async () => {
  stack = await startStack({ httpPort: 0 });
  folder = mkdtempSync(join(tmpdir(), "locus-interruption-"));
  writeFileSync(join(folder, "talking.ts"), TALKING);
  await stack.run("locus", "deploy", "functions/empty.ts", "functions/khop.ts", join(folder, "talking.ts"));
});
afterAll(async () => {
  await stack.close();
  rmSync(folder, { recursive: true });
});

/** Interrupts it once `isUnderWay`, asked again and again, says so. */
async function interrupted(
  tool: Tool,
  argv: readonly string[],
  isUnderWay: (tool: Running) => boolean | Promise<boolean>,
): Promise<Ended> {
  const running = startTool(tool, argv, stack.settings);
  try {
    await vi.waitUntil(() => {
      expect(running.child.exitCode).toBeNull();
      return isUnderWay(running);
    });
  } finally {
    running.child.kill("SIGINT");
  }
  return running.ended;
}

/** It says so after two seconds. */
const saysHowFar = ({ told }: Running): boolean => told().endsWith("\n");

describe("Ctrl-C", () => {
  it.each([
    ["batch", ["empty", "1", MANY, "--side", "storage"]],
    ["redisclient", ["khop", "1", MANY]],
  ] as const)("ends %s, which says how far it is, with a summary of what was done", async (tool, argv) => {
    const plain = await interrupted(tool, argv, saysHowFar);
    expect(plain).toMatchObject({ status: 130, stderr: expect.stringMatching(/^[1-9]\d* of 1000000 calls\n$/) });
    expect(plain.stdout).toMatch(/: interrupted by SIGINT after \d+ of 1000000 calls\n {2}calls +\d+\n/);
    const inJson = await interrupted(tool, [...argv, "--json"], saysHowFar);
    const { interrupted: isInterrupted, calls } = JSON.parse(inJson.stdout) as { interrupted: boolean; calls: number };
    expect([inJson.status, isInterrupted, calls > 0 && calls < Number(MANY)]).toEqual([130, true, true]);
  });

  it("ends a load, which says how far it is, how far it came and what to do", async () => {
    const argv = ["load", "power-law", "--nodes", "1000000"];
    const plain = await interrupted("locus", argv, saysHowFar);
    expect(plain).toMatchObject({ status: 130, stdout: "" });
    // Which step it is at by then is the machine's affair.
    expect(plain.stderr).toMatch(
      /^(checking: \d+ of 1\d{6} keys\nCANCELLED: loading .* stopped while (checking|writing)|writing: \d+ of 1\d{6} keys\nCANCELLED: loading .* stopped while writing), after \d+ of 1\d{6} keys: interrupted by/,
    );
    const { status, stdout } = await interrupted("locus", [...argv, "--json"], saysHowFar);
    expect([status, JSON.parse(stdout)]).toMatchObject([130, { error: { code: "CANCELLED" } }]);
  });

  it("ends who follows the logs", async () => {
    const lineCame = async ({ printed }: Running): Promise<boolean> => {
      await stack.run("locus", "call", "talking");
      return printed() !== "";
    };
    const { status, stdout } = await interrupted("locus", ["logs", "talking", "-f", "--json"], lineCame);
    expect(status).toBe(130);
    for (const line of stdout.trimEnd().split("\n")) expect(JSON.parse(line)).toMatchObject({ source: "talking" });
  });
});
