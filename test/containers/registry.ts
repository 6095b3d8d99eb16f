// A registry of images on this machine: Debian's, as it is in its package, which nothing installs.

import { globSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { runCommand } from "../command.ts";
import { freePort } from "../free-port.ts";
import { OwnedProcess } from "../owned-process.ts";
import { withPackages } from "./turn.ts";

const FETCH_TIMEOUT_MS = 120_000;
const START_TIMEOUT_MS = 120_000;
const STOP_TIMEOUT_MS = 10_000;
const LOOK_MS = 100;

export interface Registry {
  /** `host:port`; an engine trusts the loopback address without TLS. */
  readonly address: string;
  /** The tags that were pushed under a name. */
  tags(name: string): Promise<readonly string[]>;
  close(): Promise<void>;
}

/** Rejects where apt-get cannot fetch it. */
export async function openRegistry(): Promise<Registry> {
  const folder = mkdtempSync(join(tmpdir(), "locus-registry-"));
  const options = { directory: folder, timeoutMs: FETCH_TIMEOUT_MS };
  try {
    await withPackages(() => runCommand(["apt-get", "download", "-q", "docker-registry"], options));
    await runCommand(["dpkg-deb", "--extract", ...globSync("*.deb", { cwd: folder }), "package"], options);
  } catch (error) {
    rmSync(folder, { recursive: true });
    throw error;
  }
  const address = `127.0.0.1:${await freePort()}`;
  const configuration = join(folder, "registry.yml");
  mkdirSync(join(folder, "images"));
  writeFileSync(
    configuration,
    JSON.stringify({
      version: 0.1,
      storage: { filesystem: { rootdirectory: join(folder, "images") } },
      http: { addr: address },
    }),
  );
  const registry = new OwnedProcess({
    argv: [join(folder, "package", "usr", "bin", "docker-registry"), "serve", configuration],
    logPath: join(folder, "log"),
    stopTimeoutMs: STOP_TIMEOUT_MS,
  });
  const close = async (): Promise<void> => {
    await registry.stop();
    rmSync(folder, { recursive: true, force: true });
  };
  const answers = (path: string): Promise<Response> => fetch(`http://${address}${path}`);
  const deadlineMs = performance.now() + START_TIMEOUT_MS;
  while (
    !(await answers("/v2/").then(
      ({ ok }) => ok,
      () => false,
    ))
  ) {
    if (!registry.isRunning || performance.now() > deadlineMs) {
      const said = registry.logTail();
      await close();
      throw new Error(`the registry does not start: ${said}`);
    }
    await sleep(LOOK_MS);
  }
  return {
    address,
    tags: async (name) => {
      const { tags } = (await (await answers(`/v2/${name}/tags/list`)).json()) as { readonly tags?: readonly string[] };
      return tags ?? [];
    },
    close,
  };
}
