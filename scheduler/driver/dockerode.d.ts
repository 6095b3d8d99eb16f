// What of dockerode is used here: its types are a package of their own, with ssh2's.

declare module "dockerode" {
  import type { Duplex, Readable, Writable } from "node:stream";

  interface HostConfig {
    readonly Memory: number;
    readonly MemorySwap: number;
    readonly CpuPeriod: number;
    readonly CpuQuota: number;
    readonly PidsLimit: number;
    readonly ReadonlyRootfs: boolean;
    readonly CapDrop: readonly string[];
    readonly SecurityOpt: readonly string[];
    readonly NetworkMode: string;
    readonly Init: boolean;
    readonly Tmpfs: Readonly<Record<string, string>>;
  }

  interface ContainerCreateOptions {
    readonly name: string;
    readonly Image: string;
    readonly Entrypoint: readonly string[];
    readonly Cmd: readonly string[];
    readonly User: string;
    readonly Env: readonly string[];
    readonly Labels: Readonly<Record<string, string>>;
    readonly OpenStdin: boolean;
    readonly StdinOnce: boolean;
    readonly AttachStdin: boolean;
    readonly AttachStdout: boolean;
    readonly AttachStderr: boolean;
    readonly HostConfig: HostConfig;
  }

  interface ExecInstance {
    start(options: { readonly hijack: boolean; readonly stdin: boolean }): Promise<Duplex>;
    inspect(): Promise<{ readonly ExitCode: number | null }>;
  }

  namespace Docker {
    interface ListedContainer {
      readonly Id: string;
      readonly Labels: Readonly<Record<string, string>>;
      /** "created", "running", "exited", … */
      readonly State: string;
      /** Seconds since 1970. */
      readonly Created: number;
    }

    /** What an image or a network is asked for: whether it is there. */
    interface Named {
      inspect(): Promise<unknown>;
    }

    interface Container {
      readonly id: string;
      attach(options: {
        readonly stream: true;
        readonly stdin: true;
        readonly stdout: true;
        readonly stderr: true;
        readonly hijack: true;
      }): Promise<Duplex>;
      start(): Promise<unknown>;
      wait(): Promise<{ readonly StatusCode: number }>;
      inspect(): Promise<{
        readonly State: {
          readonly OOMKilled: boolean;
          /** As of RFC 3339. */
          readonly StartedAt: string;
        };
        /** Its id. */
        readonly Image: string;
        readonly NetworkSettings: { readonly Networks: Readonly<Record<string, unknown>> };
      }>;
      kill(): Promise<unknown>;
      remove(options: { readonly force: boolean; readonly v: boolean }): Promise<unknown>;
      update(options: Partial<Pick<HostConfig, "Memory" | "MemorySwap" | "CpuPeriod" | "CpuQuota">>): Promise<unknown>;
      stats(options: { readonly stream: false; readonly "one-shot": true }): Promise<{
        readonly memory_stats: { readonly usage?: number };
        readonly cpu_stats: {
          readonly cpu_usage: { readonly total_usage: number };
          readonly throttling_data?: { readonly throttled_time: number };
        };
      }>;
      exec(options: {
        readonly Cmd: readonly string[];
        readonly AttachStdout: boolean;
        readonly AttachStderr: boolean;
      }): Promise<ExecInstance>;
    }
  }

  class Docker {
    constructor(options: { readonly socketPath: string });
    readonly modem: { demuxStream(stream: Duplex, stdout: Writable, stderr: Writable): void };
    createContainer(options: ContainerCreateOptions): Promise<Docker.Container>;
    getContainer(nameOrId: string): Docker.Container;
    getImage(nameOrId: string): Docker.Named;
    getNetwork(nameOrId: string): Docker.Named;
    /** Lines of JSON; seconds since 1970. It ends at `until`. */
    getEvents(options: {
      readonly since: number;
      readonly until: number;
      readonly filters: Readonly<Record<string, readonly string[]>>;
    }): Promise<Readable>;
    listContainers(options: {
      readonly all: boolean;
      readonly filters: Readonly<Record<string, readonly string[]>>;
    }): Promise<readonly Docker.ListedContainer[]>;
  }

  export default Docker;
}
