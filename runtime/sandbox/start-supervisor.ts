// Starts the compute side's supervisor: the native one, its calls as promises, and the connections that its hosts get.

import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Channel } from "#runtime/channel/channel.ts";
import { isErrorCode, LocusError, type ErrorCode } from "#runtime/errors.ts";
import { readDescription } from "#runtime/function/describe.ts";
import { ARGS_BYTES_MAX, type FunctionDescription } from "#runtime/function/description.ts";
import { checkBundleBytes } from "#runtime/function/source-map.ts";
import { NO_USAGE, type Usage } from "#runtime/profile/sample.ts";
import { ConnectionSupply } from "./connection-supply.ts";
import { answerRounds } from "./memory-rounds.ts";
import {
  BUILD_DIRECTORY,
  newNativeSupervisor,
  type NativeImage,
  type NativeSupervisor,
  type NativeTls,
} from "./native-supervisor.ts";
import {
  ISOLATES_MAX,
  type DataSource,
  type FunctionImage,
  type FunctionState,
  type Invocation,
  type IsolateBounds,
  type Outcome,
  type Supervisor,
  type SupervisorOptions,
  type SupervisorState,
} from "./supervisor.ts";

/** The first host must be up by then, ms: starting Node takes a tenth of a second on an idle machine. */
const READY_DEADLINE_MS = 30_000;
const READY_LOOK_MS = 5;

/**
 * With `channel` in place of a data source, operations are answered in this process: for tests and the simulator. `nodePath`: the
 * Node of the hosts; this process's own unless said otherwise. `launcherPath`: what starts them; the build's unless said otherwise.
 */
export type StartOptions = Omit<SupervisorOptions, "dataSource"> & {
  readonly nodePath?: string;
  readonly launcherPath?: string;
} & ({ readonly dataSource: SupervisorOptions["dataSource"] } | { readonly channel: Channel });

/** Starts the hosts in the background; `ready()` tells when the first can take calls. Throws UNSUPPORTED_PLATFORM without a build. */
export async function startSupervisor(options: StartOptions): Promise<Supervisor> {
  const { launcherPath = join(BUILD_DIRECTORY, "launcher") } = options;
  if (!existsSync(launcherPath)) {
    throw new LocusError("UNSUPPORTED_PLATFORM", `${launcherPath} is not there: run ./build.sh first`);
  }
  return new HostSupervisor(options, launcherPath);
}

/** With these words a host says that none came in time (runtime/native/socket_channel.cc). */
const NO_CONNECTION = "no connection to Redis came up";

interface PendingCall {
  /** The owner's. */
  readonly id: string | null;
  readonly resolve: (outcome: Outcome) => void;
  /** Those that its signal cancels, this one among them; null: none does. */
  readonly cancellable: Set<number> | null;
  /** By what it is known there, and to the native supervisor. */
  readonly invocation: number;
  readonly mayWrite: (() => Promise<boolean>) | null;
}

/** Memory of the isolates in one host unless said otherwise, MiB. */
const ISOLATE_MEMORY_MB = 256;

const NEVER = (): Promise<boolean> => Promise.resolve(false);

class HostSupervisor implements Supervisor {
  readonly #native: NativeSupervisor;
  readonly #supply: ConnectionSupply | undefined;
  readonly #images = new WeakMap<FunctionImage, NativeImage>();
  readonly #calls = new Map<number, PendingCall>();
  /** Invocations that a signal cancels. One often serves many calls: for each to listen took a third of its time here. */
  readonly #cancellable = new WeakMap<AbortSignal, Set<number>>();
  readonly #checks = new Map<number, PromiseWithResolvers<FunctionDescription>>();
  readonly #keeps = new Map<number, PromiseWithResolvers<void>>();
  #numbers = 0;
  #wakeDue = false;
  #closed: Promise<void> | undefined;

  constructor(options: StartOptions, launcherPath: string) {
    const source = "dataSource" in options ? options.dataSource : undefined;
    this.#native = newNativeSupervisor(
      {
        launcherPath,
        nodePath: options.nodePath ?? process.execPath,
        programPath: join(BUILD_DIRECTORY, "host.mjs"),
        arguments: [String(source?.connections ?? 0), options.confinement ?? "on"],
        isolateBytesMax: (options.isolateMemoryMb ?? ISOLATE_MEMORY_MB) * 2 ** 20,
        isolatesMax: options.isolatesMax ?? 0,
        queueLengthMax: options.queueLengthMax,
        connections: source?.connections ?? 0,
        operationRings: source === undefined,
        confine: options.confinement !== "off",
      },
      {
        onLog: (from, text, call) =>
          options.onLog(
            call === 0 ? { source: from, text } : { source: from, text, invocation: this.#calls.get(call)?.id ?? null },
          ),
        onOutcome: (call, code, result, message, stack, usage, logs) =>
          this.#settle(call, outcomeOf(code, result, this.#withRefusal(code, message), stack, usageOf(usage), logs)),
        onWriteAsked: (call, id) => void this.#askToWrite(call, id),
        onChecked: (check, code, description, message) => this.#checked(check, code, description, message),
        onKept: (keep, code, message) => this.#kept(keep, code, message),
        onConnectionWanted: (host, connection, lost) => this.#supply?.want(host, connection, lost),
        onRound:
          "channel" in options
            ? answerRounds(options.channel, (...reply) => this.#native.reply(...reply))
            : () => undefined,
      },
    );
    if (source !== undefined) {
      const tls = tlsOf(source);
      this.#supply = new ConnectionSupply(source, options.onLog, (host, connection, descriptor) =>
        this.#native.passDescriptor(host, connection, descriptor, tls),
      );
    }
    this.#native.start();
  }

  async ready(): Promise<void> {
    const until = performance.now() + READY_DEADLINE_MS;
    for (;;) {
      const { hosts } = this.#native.state();
      if (hosts.some((host) => host.state === "ready")) return;
      if (this.#closed !== undefined)
        throw new LocusError("SIDE_UNAVAILABLE", "the supervisor was closed while it started");
      if (performance.now() > until) {
        const last = hosts.find((host) => host.lastEnd !== "")?.lastEnd ?? "nothing was heard of it";
        throw new LocusError("SIDE_UNAVAILABLE", `no sandbox host came up within ${READY_DEADLINE_MS} ms: ${last}`);
      }
      await new Promise((resolve) => setTimeout(resolve, READY_LOOK_MS));
    }
  }

  async check(bundle: Uint8Array): Promise<FunctionDescription> {
    checkBundleBytes(bundle);
    if (this.#closed !== undefined) return Promise.reject(closedError());
    const number = ++this.#numbers;
    const check = Promise.withResolvers<FunctionDescription>();
    this.#checks.set(number, check);
    this.#native.check(number, bundle);
    return check.promise;
  }

  async keep(image: FunctionImage, { min, max }: IsolateBounds): Promise<void> {
    if (![min, max ?? 1].every((count) => Number.isInteger(count) && count <= ISOLATES_MAX) || min < 0) {
      throw new LocusError(
        "REQUEST_INVALID",
        `isolates are kept from ${min} to ${max}: each is at most ${ISOLATES_MAX}`,
      );
    }
    if (max !== null && (max < 1 || max < min)) {
      throw new LocusError("REQUEST_INVALID", `of at least ${min} isolates there may be ${max}`);
    }
    if (this.#closed !== undefined) throw closedError();
    const number = ++this.#numbers;
    const keep = Promise.withResolvers<void>();
    this.#keeps.set(number, keep);
    this.#native.keep(number, this.#imageOf(image), min, max ?? 0);
    await keep.promise;
  }

  invoke(invocation: Invocation, signal?: AbortSignal): Promise<Outcome> {
    if (this.#closed !== undefined) return Promise.resolve(refusal("SIDE_UNAVAILABLE", "the node is shutting down"));
    if (signal?.aborted) return Promise.resolve(refusal("CANCELLED", "the call was cancelled before it began"));
    const { image, keys, argsJson, logs } = invocation;
    const bytes = Buffer.byteLength(argsJson) + keys.reduce((sum, key) => sum + Buffer.byteLength(key), 0);
    if (bytes > ARGS_BYTES_MAX) {
      return Promise.resolve(
        refusal("ARGS_TOO_LARGE", `args and keys have ${bytes} bytes; at most ${ARGS_BYTES_MAX} are allowed`),
      );
    }
    const deadlineMs = Math.min(invocation.deadlineMs, image.description.limits.deadlineMs);
    const number = ++this.#numbers;
    const { known = null, mayWrite = null } = invocation;
    const native = this.#imageOf(image);
    const id = this.#native.submit(number, native, keys, argsJson, deadlineMs, logs, known, mayWrite !== null);
    if (id === 0) return Promise.resolve(refusal("OVERLOADED", "the queue of calls that wait for an isolate is full"));
    this.#wakeSoon();
    const cancellable = signal === undefined ? null : this.#cancellableBy(signal);
    cancellable?.add(id);
    return new Promise((resolve) => {
      this.#calls.set(number, { id: invocation.id ?? null, resolve, cancellable, invocation: id, mayWrite });
    });
  }

  #cancellableBy(signal: AbortSignal): Set<number> {
    const known = this.#cancellable.get(signal);
    if (known !== undefined) return known;
    const invocations = new Set<number>();
    const cancelAll = (): void => invocations.forEach((invocation) => this.#native.cancel(invocation));
    signal.addEventListener("abort", cancelAll, { once: true });
    this.#cancellable.set(signal, invocations);
    return invocations;
  }

  async #askToWrite(call: number, id: number): Promise<void> {
    const mayWrite = this.#calls.get(call)?.mayWrite ?? NEVER;
    const isAllowed = await mayWrite().catch(() => false);
    if (isAllowed) this.#native.allowWrites(id);
    else this.#native.cancel(id);
  }

  /** After what else this turn of the event loop brings: under load that is a wake-up for many invocations instead of one each. */
  #wakeSoon(): void {
    if (this.#wakeDue) return;
    this.#wakeDue = true;
    setImmediate(() => {
      this.#wakeDue = false;
      this.#native.wake();
    });
  }

  state(): SupervisorState {
    const { hosts, ...rest } = this.#native.state();
    return {
      ...rest,
      hosts: hosts.map(({ about, ...host }) => ({ ...host, confinement: confinementOf(about) })),
      connections: this.#supply?.up ?? 0,
      refusal: this.#supply?.refusal ?? "",
    };
  }

  cpuUs(): number {
    return this.#native.cpuUs();
  }

  isolatesMax(): number {
    return this.#native.isolatesMax();
  }

  functionState(image: FunctionImage): FunctionState | null {
    return this.#native.functionState(this.#imageOf(image));
  }

  close(graceMs: number): Promise<void> {
    this.#closed ??= this.#close(graceMs);
    return this.#closed;
  }

  async #close(graceMs: number): Promise<void> {
    const until = performance.now() + graceMs;
    while (this.#calls.size > 0 && performance.now() < until) {
      await new Promise((resolve) => setTimeout(resolve, READY_LOOK_MS));
    }
    this.#supply?.close();
    this.#native.close();
    const ended = refusal("SANDBOX_DIED", "the node shut down while the invocation ran");
    for (const call of this.#calls.keys()) this.#settle(call, ended);
    for (const waiting of [...this.#checks.values(), ...this.#keeps.values()]) waiting.reject(closedError());
    this.#checks.clear();
    this.#keeps.clear();
  }

  #imageOf(image: FunctionImage): NativeImage {
    let native = this.#images.get(image);
    if (native === undefined) {
      const { name, version, limits } = image.description;
      native = this.#native.image(name, version, image.bundle, limits);
      this.#images.set(image, native);
    }
    return native;
  }

  /** A host knows only that no connection came. */
  #withRefusal(code: string, message: string): string {
    if (code !== "REDIS_UNAVAILABLE" || !message.startsWith(NO_CONNECTION)) return message;
    const refused = this.#supply?.refusal ?? "";
    return refused === "" ? message : `${message}: ${refused}`;
  }

  #settle(call: number, outcome: Outcome): void {
    const waiting = this.#calls.get(call);
    if (waiting === undefined) return;
    this.#calls.delete(call);
    waiting.cancellable?.delete(waiting.invocation);
    waiting.resolve(outcome);
  }

  #kept(keep: number, code: string, message: string): void {
    const waiting = this.#keeps.get(keep);
    this.#keeps.delete(keep);
    if (code === "ok") waiting?.resolve();
    else waiting?.reject(new LocusError(codeOf(code), message));
  }

  #checked(check: number, code: string, descriptionJson: string, message: string): void {
    const waiting = this.#checks.get(check);
    this.#checks.delete(check);
    if (code !== "ok") {
      waiting?.reject(new LocusError(codeOf(code), message));
      return;
    }
    try {
      waiting?.resolve(readDescription(descriptionJson));
    } catch (cause) {
      waiting?.reject(cause);
    }
  }
}

function tlsOf({ tls, username = "", password = "", database }: DataSource): NativeTls | undefined {
  return tls === undefined ? undefined : { ...tls, username, password, database };
}

const codeOf = (code: string): ErrorCode => (isErrorCode(code) ? code : "INTERNAL");

const closedError = (): LocusError => new LocusError("SIDE_UNAVAILABLE", "the supervisor is closed");

function usageOf(numbers: Float64Array): Usage {
  const [
    wallUs = 0,
    queueUs = 0,
    startUs = 0,
    cpuUs = 0,
    slowedUs = 0,
    waitUs = 0,
    operations = 0,
    rounds = 0,
    bytesOut = 0,
    bytesIn = 0,
    findableOperations = 0,
    findableRounds = 0,
    foundOperations = 0,
    foundRounds = 0,
    lockUs = 0,
  ] = numbers;
  const found = { findableOperations, findableRounds, foundOperations, foundRounds };
  return { wallUs, queueUs, startUs, cpuUs, slowedUs, waitUs, operations, rounds, bytesOut, bytesIn, ...found, lockUs };
}

const refusal = (code: ErrorCode, message: string): Outcome => ({
  ok: false,
  error: { code, message, stack: "" },
  usage: NO_USAGE,
  logs: [],
});

function outcomeOf(
  code: string,
  resultJson: string,
  message: string,
  stack: string,
  usage: Usage,
  logs: readonly string[],
): Outcome {
  if (code === "ok") return { ok: true, resultJson, usage, logs };
  const refused = code === "CALL_REFUSED" ? { refusal: resultJson } : {};
  return { ok: false, error: { code: codeOf(code), message, stack, ...refused }, usage, logs };
}

function confinementOf(about: string): readonly string[] {
  const { confinement } = (parsed(about) ?? {}) as { readonly confinement?: unknown };
  return Array.isArray(confinement) ? confinement.map(String) : [];
}

/** What a host says may be anything: undefined where it is no JSON object. */
function parsed(json: string): object | undefined {
  try {
    const value = JSON.parse(json) as unknown;
    return typeof value === "object" && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}
