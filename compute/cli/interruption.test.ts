import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { expect, test } from "vitest";

/** Says when it listens, and exits with what the signal calls for. */
const PROGRAM = `
  import { interruption } from ${JSON.stringify(join(import.meta.dirname, "interruption.ts"))};
  interruption().addEventListener("abort", (event) => process.exit(event.target.reason.exitCode));
  process.stdin.resume();
  console.log("listens");
`;

async function endOf(signal: NodeJS.Signals): Promise<number | null> {
  const child = spawn(process.execPath, ["--input-type=module", "-e", PROGRAM], { stdio: ["pipe", "pipe", "inherit"] });
  await once(child.stdout, "data");
  child.kill(signal);
  const [code] = (await once(child, "exit")) as [number | null];
  return code;
}

test.each([
  ["SIGINT", 130],
  ["SIGTERM", 143],
  ["SIGHUP", 129],
] as const)("%s ends a program with %i", async (signal, code) => {
  expect(await endOf(signal)).toBe(code);
});
