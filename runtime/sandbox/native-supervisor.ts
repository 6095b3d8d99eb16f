// The native supervisor as `runtime/native/supervisor_addon.cc` exports it. One file describes this boundary.

import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { LocusError } from "#runtime/errors.ts";
import type { Limits } from "#runtime/function/description.ts";
import type { FunctionState, SupervisorState } from "./supervisor.ts";

/** Where the build leaves the addon, the launcher and the guests' programs. */
export const BUILD_DIRECTORY = join(import.meta.dirname, "..", "..", "build");

export interface NativeOptions {
  readonly launcherPath: string;
  readonly nodePath: string;
  readonly programPath: string;
  readonly arguments: readonly string[];
  /** Memory of the isolates in one host. */
  readonly isolateBytesMax: number;
  /** 0: as many as that memory holds. */
  readonly isolatesMax: number;
  /** Isolates of one function worth starting: the cores. */
  readonly queueLengthMax: number;
  readonly connections: number;
  /** Data by ring, answered through `onRound` and `reply`, instead of by sockets. */
  readonly operationRings: boolean;
  /** Whether the launcher confines the host. */
  readonly confine: boolean;
}

/** Called on the event loop. `usage` is in the order of `Usage`, and written over for the next outcome. */
export interface NativeHandlers {
  /** `call`: the number that the function was submitted with; 0 where no function speaks. */
  onLog(source: string, text: string, call: number): void;
  onOutcome(
    call: number,
    code: string,
    result: string,
    message: string,
    stack: string,
    usage: Float64Array,
    logs: readonly string[],
  ): void;
  /** The invocation waits for `allowWrites` before it sends what is no read. */
  onWriteAsked(call: number, id: number): void;
  onChecked(check: number, code: string, descriptionJson: string, message: string): void;
  onKept(keep: number, code: string, message: string): void;
  /** `lost`: why the one before was given up; empty when there was none. */
  onConnectionWanted(host: number, connection: number, lost: string): void;
  onRound(host: number, lane: number, invocation: number, round: number, count: number, commands: Uint8Array): void;
}

/** An image's native twin, made once per version. */
export type NativeImage = { readonly __image: never };

interface NativeHostState extends Omit<SupervisorState["hosts"][number], "confinement"> {
  /** JSON: what it said when it came up; empty before that. */
  readonly about: string;
}

interface NativeState extends Omit<SupervisorState, "hosts" | "connections" | "refusal"> {
  readonly hosts: readonly NativeHostState[];
}

/** What is left for the host to do on a connection with TLS. */
export interface NativeTls {
  readonly serverName: string;
  readonly authorities: string;
  readonly username: string;
  readonly password: string;
  readonly database: number;
}

export interface NativeSupervisor {
  image(name: string, version: string, bundle: Uint8Array, limits: Limits): NativeImage;
  /** The invocation's id; 0 when the queue is full. An isolate that sleeps does so until `wake`. */
  submit(
    call: number,
    image: NativeImage,
    keys: readonly string[],
    argsJson: string,
    deadlineMs: number,
    logs: boolean,
    /** null: nothing is known. */
    known: Uint8Array | null,
    asksToWrite: boolean,
  ): number;
  /** Wakes the isolates that got invocations. A system call each, so once for all that one turn of the event loop brought. */
  wake(): void;
  cancel(id: number): void;
  allowWrites(id: number): void;
  check(check: number, bundle: Uint8Array): void;
  /** `max` 0: none. */
  keep(keep: number, image: NativeImage, min: number, max: number): void;
  passDescriptor(host: number, connection: number, descriptor: number, tls?: NativeTls): boolean;
  reply(host: number, lane: number, invocation: number, round: number, count: number, replies: Uint8Array): void;
  state(): NativeState;
  /** As in `Supervisor`. */
  cpuUs(): number;
  isolatesMax(): number;
  functionState(image: NativeImage): FunctionState | null;
  start(): void;
  close(): void;
}

interface Addon {
  readonly NativeSupervisor: new (options: NativeOptions, handlers: NativeHandlers) => NativeSupervisor;
  readonly availableCores: () => number;
}

/** Throws UNSUPPORTED_PLATFORM without a build. */
function addon(): Addon {
  const path = join(BUILD_DIRECTORY, "supervisor.node");
  if (!existsSync(path)) {
    throw new LocusError("UNSUPPORTED_PLATFORM", `${path} is not there: run ./build.sh first`);
  }
  return createRequire(import.meta.url)(path) as Addon;
}

export const newNativeSupervisor = (options: NativeOptions, handlers: NativeHandlers): NativeSupervisor =>
  new (addon().NativeSupervisor)(options, handlers);

/**
 * Cores that this process may keep busy: those that it may run on, or fewer where the quota of its container is smaller (rounded down, at least 1).
 * Node's own count misses quotas of the kernel's groups of version 1 where the container shows nothing but its own.
 */
export const availableCores = (): number => addon().availableCores();
