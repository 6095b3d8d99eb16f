// A container engine for the tests: the one that answers here, or else a private one, started for them and gone after them, in
// a folder of its own, with the machine put back as it was found.

import { mkdtempSync } from "node:fs";
import type { Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { runCommand, succeeds } from "../command.ts";
import { OwnedProcess } from "../owned-process.ts";
import { ENGINE_FOLDER, keepFootprint, undoFootprint, undoFootprints } from "./footprint.ts";
import { baseImageName, importStandIn } from "./stand-in-image.ts";
import { takeTurn, withPackages } from "./turn.ts";

const PACKAGES = ["docker.io", "docker-compose", "debootstrap", "iptables", "iproute2"];
const PROGRAMS = ["dockerd", "docker-compose", "debootstrap", "iptables-save"];
/** As docker-compose.yml and the tests name them. */
const CONTAINERS = ["storage", "compute1", "compute2", "locus-setup", "locus-all-in-one"];
const PULL_TIMEOUT_MS = 180_000;
const INSTALL_TIMEOUT_MS = 180_000;
const START_TIMEOUT_MS = 120_000;
const STOP_TIMEOUT_MS = 30_000;
const QUICK_TIMEOUT_MS = 60_000;
/** Root's programs, which an ordinary PATH lacks. */
const PATH = `${process.env["PATH"]}:/usr/sbin:/sbin`;

export interface Engine {
  /** With it `docker` and `docker-compose` find the engine. */
  readonly environment: NodeJS.ProcessEnv;
  /** Idempotent. */
  close(): Promise<void>;
}

/** Rejects with why there can be none here. `say` is told of what takes long. */
export async function openEngine(say: (text: string) => void): Promise<Engine> {
  if (await succeeds(["docker", "info"], { timeoutMs: QUICK_TIMEOUT_MS })) return useRunningEngine();
  if (process.getuid?.() !== 0) throw new Error("no container engine answers, and only root could start one");
  say("waiting until no other run has an engine here");
  // Private engines have one bridge, and each puts the firewall back as it found it: two at once would undo each other's.
  const turn = await takeTurn("engine");
  let engine: Engine;
  try {
    say("installing a container engine, unless it is there");
    await withPackages(installPrograms);
    engine = await startPrivateEngine(turn);
  } catch (error) {
    turn.close();
    throw error;
  }
  say("making a base image");
  try {
    await importStandIn(engine.environment);
    return engine;
  } catch (error) {
    await engine.close();
    throw error;
  }
}

/** Nothing of its owner's is touched: neither containers of the same names, nor the base image. */
async function useRunningEngine(): Promise<Engine> {
  const names = await runCommand(["docker", "ps", "--all", "--format", "{{.Names}}"], { timeoutMs: QUICK_TIMEOUT_MS });
  const taken = names.split("\n").filter((name) => CONTAINERS.includes(name));
  if (taken.length > 0) throw new Error(`the container engine here already has ${taken.join(", ")}`);
  const base = baseImageName();
  const present = await succeeds(["docker", "image", "inspect", base], { timeoutMs: QUICK_TIMEOUT_MS });
  if (!present) await runCommand(["docker", "pull", base], { timeoutMs: PULL_TIMEOUT_MS });
  return { environment: process.env, close: async () => {} };
}

async function installPrograms(): Promise<void> {
  const found = await Promise.all(
    PROGRAMS.map((program) => succeeds(["which", program], { environment: { PATH }, timeoutMs: QUICK_TIMEOUT_MS })),
  );
  if (found.every(Boolean)) return;
  const environment = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  await runCommand(["apt-get", "update", "-q"], { environment, timeoutMs: INSTALL_TIMEOUT_MS });
  await runCommand(["apt-get", "install", "-q", "-y", "--no-install-recommends", ...PACKAGES], {
    environment,
    timeoutMs: INSTALL_TIMEOUT_MS,
  });
}

async function startPrivateEngine(turn: Server): Promise<Engine> {
  await undoFootprints({ ...process.env, PATH });
  const folder = mkdtempSync(join(tmpdir(), ENGINE_FOLDER));
  const environment = { ...process.env, PATH, DOCKER_HOST: `unix://${join(folder, "docker.sock")}` };
  await keepFootprint(folder, environment);
  const logPath = join(folder, "dockerd.log");
  const dockerd = new OwnedProcess({
    argv: [
      "dockerd",
      `--host=${environment.DOCKER_HOST}`,
      `--data-root=${join(folder, "data")}`,
      `--exec-root=${join(folder, "exec")}`,
      `--pidfile=${join(folder, "docker.pid")}`,
      "--storage-driver=overlay2",
    ],
    environment,
    logPath,
    stopTimeoutMs: STOP_TIMEOUT_MS,
  });

  let closed = false;
  const close = async (): Promise<void> => {
    if (closed) return;
    closed = true;
    await dockerd.stop();
    await undoFootprint(folder, environment);
    turn.close();
  };

  const deadlineMs = performance.now() + START_TIMEOUT_MS;
  while (dockerd.isRunning && performance.now() < deadlineMs) {
    if (await succeeds(["docker", "info"], { environment, timeoutMs: QUICK_TIMEOUT_MS })) return { environment, close };
    await sleep(100);
  }
  const tail = dockerd.logTail();
  await close();
  throw new Error(`a container engine cannot be started here: ${tail}`);
}
