// A gRPC service of somebody else, called with a deadline and a signal: what our clients of the contracts are made of.

import { Client, connectivityState, type Metadata, type ServiceError } from "@grpc/grpc-js";
import { LocusError } from "#runtime/errors.ts";
import { errorOf } from "./grpc-error.ts";
import { MESSAGE_BYTES_MAX } from "./listener.ts";
import { doubt, secretMetadata } from "./secret.ts";
import { channelTrust, type PeerSecurity } from "./security.ts";
import { SERVICES, type ServiceName } from "./services.ts";

/** Between attempts to connect; gRPC's own grows to two minutes, and a peer that is back should be found. */
const RECONNECT_MS_MAX = 5_000;
/** Services of ours, which have a connection each. */
const OWN_SERVICE = /^locus\./;
/**
 * A peer of ours is asked so often whether it is there while calls are under way, and is gone when it does not say so in time: of a machine that falls
 * from the net nothing else would tell. Others may take it amiss: gRPC in Go ends connections for it.
 */
const KEEPALIVE_MS = 5_000;
const KEEPALIVE_TIMEOUT_MS = 3_000;

export interface PeerOptions {
  /** `host:port`, or `unix:path`. */
  readonly endpoint: string;
  readonly security: PeerSecurity;
  /** Of one call, from now. */
  readonly timeoutMs: number;
  /** A node of ours, though the service is a contest's. */
  readonly isOurs?: boolean;
}

/** Connects when it is first called, and again after a loss. */
export class Peer {
  readonly #client: Client;
  readonly #service: ServiceName;
  readonly #options: PeerOptions;
  readonly #metadata: () => Metadata;

  constructor(service: ServiceName, options: PeerOptions) {
    this.#service = service;
    this.#options = options;
    this.#metadata = secretMetadata(options.security.secret);
    const [trust, trustOptions] = channelTrust(options.security, options.endpoint);
    const own = options.isOurs === true || OWN_SERVICE.test(service) ? OWN_OPTIONS : {};
    this.#client = new Client(options.endpoint, trust, { ...OPTIONS, ...own, ...trustOptions });
  }

  /** Rejects with a LocusError; CANCELLED where `signal` aborts, DEADLINE_EXCEEDED, PEER_UNAVAILABLE, or what the peer answered. */
  unary<Message>(
    method: string,
    request: object,
    signal: AbortSignal | undefined,
    timeoutMs = this.#options.timeoutMs,
  ): Promise<Message> {
    const { promise, resolve, reject } = Promise.withResolvers<Message>();
    if (signal?.aborted) return Promise.reject(this.#cancelled(method));
    const call = this.#client.makeUnaryRequest(...this.#request(method, request, timeoutMs), (error, message) => {
      signal?.removeEventListener("abort", onAbort);
      if (error !== null) reject(this.#failure(error, method));
      else resolve(message as Message);
    });
    const onAbort = (): void => call.cancel();
    signal?.addEventListener("abort", onAbort, { once: true });
    return promise;
  }

  /** The messages, one after another. Whoever stops taking them cancels the call. Rejects as `unary` does. */
  async *streaming<Message>(
    method: string,
    request: object,
    signal: AbortSignal | undefined,
    timeoutMs = this.#options.timeoutMs,
  ): AsyncGenerator<Message, void> {
    if (signal?.aborted) throw this.#cancelled(method);
    const call = this.#client.makeServerStreamRequest(...this.#request(method, request, timeoutMs));
    const onAbort = (): void => call.cancel();
    signal?.addEventListener("abort", onAbort, { once: true });
    try {
      for await (const message of call) yield message as Message;
    } catch (error) {
      throw this.#failure(error as ServiceError, method);
    } finally {
      signal?.removeEventListener("abort", onAbort);
      call.cancel();
    }
  }

  /** Resolves when there is a connection, however often one is tried. Rejects with PEER_UNAVAILABLE where that takes longer. */
  connected(timeoutMs: number): Promise<void> {
    return this.#connected(timeoutMs, CLOSED);
  }

  /** As `connected`, but rejects when the first attempt to connect has failed, and at once where the last one had: as a call would. */
  reached(timeoutMs: number): Promise<void> {
    return this.#connected(timeoutMs, UNREACHED);
  }

  #connected(timeoutMs: number, failed: readonly connectivityState[]): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const channel = this.#client.getChannel();
    const byMs = Date.now() + timeoutMs;
    const look = (late?: Error): void => {
      const state = channel.getConnectivityState(true);
      if (state === connectivityState.READY) resolve();
      else if (late !== undefined || failed.includes(state)) {
        const { endpoint } = this.#options;
        const within = late === undefined ? "" : ` within ${timeoutMs} ms`;
        reject(new LocusError("PEER_UNAVAILABLE", `nobody answers at ${endpoint}${within}`, { cause: late }));
      } else channel.watchConnectivityState(state, byMs, look);
    };
    look();
    return promise;
  }

  /** Calls under way go on to their end; there can be no others. Idempotent. */
  close(): void {
    this.#client.close();
  }

  /** What `read` makes of a reply; a reply that it refuses breaks the contract: INTERNAL. */
  checked<Value>(method: string, read: () => Value): Value {
    try {
      return read();
    } catch (cause) {
      const what = (cause as Error).message;
      throw new LocusError("INTERNAL", `${method} at ${this.#options.endpoint} answered what it must not: ${what}`, {
        cause,
      });
    }
  }

  #failure(error: ServiceError, method: string): LocusError {
    const failure = errorOf(error, `${method} at ${this.#options.endpoint}`);
    if (failure.code === "UNAUTHENTICATED") doubt(this.#options.security.secret);
    return failure;
  }

  #cancelled(method: string): LocusError {
    return new LocusError("CANCELLED", `${method} at ${this.#options.endpoint}: cancelled before it was sent`);
  }

  /** What every kind of call to that method begins with. */
  #request(name: string, request: object, timeoutMs: number) {
    const method = SERVICES[this.#service][name];
    if (method === undefined) throw new Error(`${this.#service} has no method ${name}`);
    const { path, requestSerialize, responseDeserialize } = method;
    return [
      path,
      requestSerialize,
      responseDeserialize,
      request,
      this.#metadata(),
      { deadline: Date.now() + timeoutMs },
    ] as const;
  }
}

/** States in which no connection comes about. */
const CLOSED = [connectivityState.SHUTDOWN];
const UNREACHED = [connectivityState.SHUTDOWN, connectivityState.TRANSIENT_FAILURE];

const OPTIONS = {
  "grpc.max_receive_message_length": MESSAGE_BYTES_MAX,
  "grpc.max_send_message_length": MESSAGE_BYTES_MAX,
  "grpc.max_reconnect_backoff_ms": RECONNECT_MS_MAX,
  // A call is sent once: whether it may be sent again, only who asked can know.
  "grpc.enable_retries": 0,
};

const OWN_OPTIONS = {
  // gRPC would share one connection, which has so many calls at once and no more: that a call may write would wait behind calls that wait for just that.
  "grpc.use_local_subchannel_pool": 1,
  "grpc.keepalive_time_ms": KEEPALIVE_MS,
  "grpc.keepalive_timeout_ms": KEEPALIVE_TIMEOUT_MS,
};
