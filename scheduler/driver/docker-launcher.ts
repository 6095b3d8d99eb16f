// Agents as containers of a Docker engine. The image needs a Node and nothing of ours: the agent's program is the first thing that a
// container is sent. What an owner that crashed has left ends by itself, is found by its label, and removed by the next owner.

import { readFileSync } from "node:fs";
import { PassThrough, type Duplex, type Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import Docker from "dockerode";
import { LocusError } from "#runtime/errors.ts";
import type { RedisSource } from "#runtime/channel/redis-source.ts";
import type { HostLine } from "#runtime/sandbox/supervisor.ts";
import type { AgentEnd, AgentLauncher, AgentProcess } from "./agent-instance.ts";
import { AGENT_PATH } from "./agent-program.ts";
import { PERIOD_US, quotaUs } from "./cpu-quota.ts";
import type { InstanceSpec } from "./driver.ts";
import { isAbsent, isNotRunning, within } from "./engine-answer.ts";
import { tellLines } from "./printed-lines.ts";

const OWNER_LABEL = "locus.owner";
const INSTANCE_LABEL = "locus.instance";
/** A container that was not started for so long never will be: its owner has crashed in between. */
const START_S_MAX = 600;
/** In which a container's program has ended. */
const ENDED: readonly string[] = ["exited", "dead"];
/** nobody's. */
const USER = "65534:65534";
const PIDS_MAX = 256;
/** An engine that did not kill is told again after so long. Chosen. */
const KILL_AGAIN_MS = 500;
/** 128 + SIGKILL, as engines tell it. */
const KILLED = 137;
/** So long an engine may tell of an end before it tells that memory was why. Chosen. */
const OOM_LATE_S = 1;
/** Of what a command that is run in a container prints. */
const OUTPUT_BYTES_MAX = 64 * 1024;
/** Reads the length of a program, the program, and becomes it; what follows on standard input is the program's. */
const BOOTSTRAP = `
const { readSync } = require("node:fs");
const take = (length) => {
  const bytes = Buffer.alloc(length);
  for (let at = 0; at < length; ) {
    const count = readSync(0, bytes, at, length - at);
    if (count === 0) process.exit(0);
    at += count;
  }
  return bytes;
};
const program = take(take(4).readUInt32BE(0));
import("data:text/javascript;base64," + program.toString("base64"));
`;

export interface DockerLauncherOptions {
  /** Of the engine. */
  readonly socketPath: string;
  readonly image: string;
  /** A name that no other owner has at the same engine; what has it and is left is removed. Letters, digits, "_", ".", "-". */
  readonly owner: string;
  /** Of the containers; where there are data, one in which Redis can be reached. */
  readonly network: string;
  readonly data: RedisSource | null;
  readonly onLog: (line: HostLine) => void;
}

export class DockerLauncher implements AgentLauncher {
  readonly data: RedisSource | null;
  readonly #options: DockerLauncherOptions;
  readonly #docker: Docker;
  readonly #program: Buffer;

  private constructor(options: DockerLauncherOptions) {
    this.#options = options;
    this.data = options.data;
    this.#docker = new Docker({ socketPath: options.socketPath });
    const program = readFileSync(AGENT_PATH);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(program.length);
    this.#program = Buffer.concat([length, program]);
  }

  /** Removes what is left of an earlier owner of the name, and of others what has ended. Rejects with INSTANCE_FAILED where no engine answers. */
  static async open(options: DockerLauncherOptions): Promise<DockerLauncher> {
    const launcher = new DockerLauncher(options);
    await launcher.#removeWhere((container) => launcher.#isOwn(container) || isLeft(container));
    return launcher;
  }

  async launch(spec: InstanceSpec): Promise<AgentProcess> {
    const name = this.#nameOf(spec.id);
    try {
      const container = await within(this.#docker.createContainer(this.#containerOf(spec, name)), `create ${name}`);
      const stream = await within(container.attach(ATTACH), `attach to ${name}`);
      await within(container.start(), `start ${name}`);
      return this.#agentOf(spec, container, stream);
    } catch (cause) {
      await this.#remove(name);
      throw new LocusError("INSTANCE_FAILED", `instance ${spec.id}: ${(cause as Error).message}`, { cause });
    }
  }

  /** What a command prints in an instance's container, and its exit code. Rejects with INSTANCE_NOT_FOUND, INSTANCE_FAILED. */
  async exec(
    id: string,
    argv: readonly string[],
  ): Promise<{ readonly output: string; readonly exitCode: number | null }> {
    const container = this.#docker.getContainer(this.#nameOf(id));
    try {
      const exec = await within(container.exec({ Cmd: argv, AttachStdout: true, AttachStderr: true }), `exec in ${id}`);
      const stream = await within(exec.start({ hijack: true, stdin: false }), `exec in ${id}`);
      const { stdout, stderr } = this.#apart(stream);
      const output = await within(textOf(stdout, stderr), `exec in ${id}`);
      return { output, exitCode: (await within(exec.inspect(), `exec in ${id}`)).ExitCode };
    } catch (cause) {
      throw new LocusError(
        isAbsent(cause) ? "INSTANCE_NOT_FOUND" : "INSTANCE_FAILED",
        `instance ${id}: ${(cause as Error).message}`,
        { cause },
      );
    }
  }

  async close(): Promise<void> {
    await this.#removeWhere((container) => this.#isOwn(container)).catch(() => {});
  }

  #agentOf(spec: InstanceSpec, container: Docker.Container, stream: Duplex): AgentProcess {
    const { stdout, stderr } = this.#apart(stream);
    const source = spec.image.description.name;
    tellLines(stderr, (text) => this.#options.onLog({ source, text }));
    stream.write(this.#program);
    const over = new AbortController();
    let killing: Promise<void> | null = null;
    const ended = this.#ended(container, stream, () => killing !== null).finally(() => over.abort());
    return {
      input: stream,
      output: stdout,
      ended,
      kill: () => void (killing ??= this.#kill(container, over.signal)),
      limit: async (cpus) => {
        await this.#update(container, { CpuPeriod: PERIOD_US, CpuQuota: quotaUs(cpus) });
        return true;
      },
      resize: async (memoryBytes) => {
        await this.#update(container, { Memory: memoryBytes, MemorySwap: memoryBytes });
        return true;
      },
      use: async () => {
        try {
          const { memory_stats, cpu_stats } = await within(
            container.stats({ stream: false, "one-shot": true }),
            "stats",
          );
          return {
            memoryBytes: memory_stats.usage ?? 0,
            cpuUs: Math.round(cpu_stats.cpu_usage.total_usage / 1e3),
            throttledUs: Math.round((cpu_stats.throttling_data?.throttled_time ?? 0) / 1e3),
          };
        } catch {
          return null;
        }
      },
    };
  }

  /** An engine may be short of something for a while, or be started again: it is told until it has killed. Nobody else would. */
  async #kill(container: Docker.Container, over: AbortSignal): Promise<void> {
    while (!over.aborted) {
      try {
        return void (await within(container.kill(), "kill"));
      } catch (error) {
        if (isAbsent(error) || isNotRunning(error)) return;
      }
      await sleep(KILL_AGAIN_MS, undefined, { signal: over, ref: false }).catch(() => {});
    }
  }

  async #ended(container: Docker.Container, stream: Duplex, isOurDoing: () => boolean): Promise<AgentEnd> {
    try {
      const { StatusCode } = await container.wait();
      const { State } = await within(container.inspect(), "inspect");
      const isOpen = StatusCode === KILLED && !State.OOMKilled && !isOurDoing();
      const lackedMemory = State.OOMKilled || (isOpen && (await this.#hasLackedMemory(container, State.StartedAt)));
      return { how: `with exit code ${StatusCode}`, lackedMemory };
    } catch (error) {
      return { how: `with the engine: ${(error as Error).message}`, lackedMemory: false };
    } finally {
      await within(container.remove(REMOVE), "remove").catch(() => {});
      stream.destroy();
    }
  }

  /** Whether the engine says so among its events: what it keeps of a container's state may have missed it (the kernel's word and the end come by two ways). */
  async #hasLackedMemory(container: Docker.Container, startedAt: string): Promise<boolean> {
    const since = Math.floor(Date.parse(startedAt) / 1e3);
    const until = Math.ceil(Date.now() / 1e3) + OOM_LATE_S;
    const filters = { container: [container.id], event: ["oom"] };
    const told = async (): Promise<string> => textOf(await this.#docker.getEvents({ since, until, filters }));
    return (await within(told(), "events").catch(() => "")) !== "";
  }

  async #update(container: Docker.Container, limits: Parameters<Docker.Container["update"]>[0]): Promise<void> {
    try {
      await within(container.update(limits), "update");
    } catch (cause) {
      throw new LocusError("INSTANCE_FAILED", `the engine does not change limits: ${(cause as Error).message}`, {
        cause,
      });
    }
  }

  /** The engine sends both outputs over one stream. */
  #apart(stream: Duplex): { readonly stdout: PassThrough; readonly stderr: PassThrough } {
    const [stdout, stderr] = [new PassThrough(), new PassThrough()];
    this.#docker.modem.demuxStream(stream, stdout, stderr);
    const end = (): void => {
      stdout.end();
      stderr.end();
    };
    stream.on("end", end).on("close", end).on("error", end);
    return { stdout, stderr };
  }

  #containerOf({ id, memoryBytes, cpus }: InstanceSpec, name: string) {
    const { image, owner, network, data } = this.#options;
    return {
      name,
      Image: image,
      Entrypoint: ["node"],
      Cmd: ["--eval", BOOTSTRAP],
      User: USER,
      Env: [],
      Labels: { [OWNER_LABEL]: owner, [INSTANCE_LABEL]: id },
      OpenStdin: true,
      // The container's input ends with whoever attached to it: so does the agent.
      StdinOnce: true,
      AttachStdin: true,
      AttachStdout: true,
      AttachStderr: true,
      HostConfig: {
        Memory: memoryBytes,
        MemorySwap: memoryBytes,
        CpuPeriod: PERIOD_US,
        CpuQuota: quotaUs(cpus),
        PidsLimit: PIDS_MAX,
        ReadonlyRootfs: true,
        CapDrop: ["ALL"],
        SecurityOpt: ["no-new-privileges"],
        NetworkMode: data === null ? "none" : network,
        Init: true,
        Tmpfs: { "/tmp": "" },
      },
    };
  }

  #nameOf(id: string): string {
    return `locus-${this.#options.owner}-${id}`;
  }

  /** Of instances' containers, whoever owns them. */
  async #removeWhere(isToGo: (container: Docker.ListedContainer) => boolean): Promise<void> {
    const filters = { label: [OWNER_LABEL] };
    try {
      const all = await within(this.#docker.listContainers({ all: true, filters }), "list containers");
      await Promise.all(all.filter(isToGo).map(({ Id }) => this.#remove(Id)));
    } catch (cause) {
      throw new LocusError(
        "INSTANCE_FAILED",
        `the container engine at ${this.#options.socketPath}: ${(cause as Error).message}`,
        { cause },
      );
    }
  }

  #isOwn({ Labels }: Docker.ListedContainer): boolean {
    return Labels[OWNER_LABEL] === this.#options.owner;
  }

  async #remove(nameOrId: string): Promise<void> {
    // It may be gone, or never have been.
    await within(this.#docker.getContainer(nameOrId).remove(REMOVE), "remove").catch(() => {});
  }
}

const ATTACH = { stream: true, stdin: true, stdout: true, stderr: true, hijack: true } as const;
const REMOVE = { force: true, v: true };

/** An owner that is there removes what has ended itself: one that does so at this moment finds it gone, which is no harm. */
const isLeft = ({ State, Created }: Docker.ListedContainer): boolean =>
  ENDED.includes(State) || (State === "created" && Date.now() / 1e3 - Created > START_S_MAX);

async function textOf(...streams: readonly Readable[]): Promise<string> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  const collect = async (stream: Readable): Promise<void> => {
    for await (const piece of stream) {
      bytes += (piece as Buffer).length;
      if (bytes <= OUTPUT_BYTES_MAX) pieces.push(piece as Buffer);
    }
  };
  await Promise.all(streams.map(collect));
  return Buffer.concat(pieces).toString();
}
