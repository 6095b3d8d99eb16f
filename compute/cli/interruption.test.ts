import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { expect, test } from "vitest";

/** Says when it listens, and exits with what the signal calls for; by itself when its input ends. */
const PROGRAM = `
  import { interruption } from ${JSON.stringify(join(import.meta.dirname, "interruption.ts"))};
  interruption().addEventListener("abort", (event) => process.exit(event.target.reason.exitCode));
  process.stdin.once("end", () => process.exit(0)).resume();
  console.log("listens");
`;

async function endOf(shellBefore: string, signal: NodeJS.Signals, isIgnored: boolean): Promise<number | null> {
  const script = `${shellBefore} exec "$0" --input-type=module -e "$1"`;
  const child = spawn("sh", ["-c", script, process.execPath, PROGRAM], { stdio: ["pipe", "pipe", "inherit"] });
  await once(child.stdout, "data");
  child.kill(signal);
  if (isIgnored) child.stdin.end();
  const [code] = (await once(child, "exit")) as [number | null];
  return code;
}

test.each([
  ["SIGINT", 130],
  ["SIGTERM", 143],
  ["SIGHUP", 129],
] as const)("%s ends a program with %i", async (signal, code) => {
  expect(await endOf("", signal, false)).toBe(code);
});

test("a signal that whoever started the program wants ignored is ignored, as nohup does", async () => {
  expect(await endOf("trap '' HUP;", "SIGHUP", true)).toBe(0);
});
