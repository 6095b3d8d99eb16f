// A client as others have one: made from protos of its own (test/fixtures/proto), with nothing of ours between it and the wire.

import { join } from "node:path";
import {
  type CallOptions,
  ChannelCredentials,
  type Client,
  type ClientOptions,
  credentials,
  type GrpcObject,
  loadPackageDefinition,
  Metadata,
  type ServiceClientConstructor,
  type ServiceDefinition,
  type ServiceError,
  status,
} from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import type { EnumDescriptor, MessageDescriptor } from "./listener-questions.ts";

const FILES = [
  "mini-faas-scheduler.proto",
  "mini-faas-resourcemanager.proto",
  "mini-faas-nodeservice.proto",
  "mini-faas-apiserver.proto",
  "scaler.proto",
  "autoloc.proto",
];
/** As most clients have them: 64-bit numbers as text. */
const OPTIONS = { keepCase: true, longs: String, enums: String, defaults: true, oneofs: false };
const definitions = loadSync(FILES, {
  ...OPTIONS,
  includeDirs: [join(import.meta.dirname, "..", "fixtures", "proto")],
});
const contract = loadPackageDefinition(definitions);

/** How a call ended that did not end well. */
export class Failed extends Error {
  readonly code: string;
  readonly metadata: Readonly<Record<string, unknown>>;

  constructor(error: ServiceError) {
    super(error.details);
    this.code = status[error.code];
    this.metadata = error.metadata.getMap();
  }
}

interface CallSettings extends CallOptions {
  readonly secret?: string;
  readonly signal?: AbortSignal;
}

export interface ContestClient {
  call(method: string, request: object, settings?: CallSettings): Promise<Record<string, unknown>>;
  /** All messages. */
  stream(method: string, request: object, settings?: CallSettings): Promise<Record<string, unknown>[]>;
  close(): void;
}

type Method = (...args: unknown[]) => ReturnType<Client["makeUnaryRequest"]>;

interface ClientSettings {
  readonly tls?: { readonly authority: Buffer | null };
  readonly channel?: ClientOptions;
}

/** `service`: its full name. */
export type ClientOf = (service: string, settings?: ClientSettings) => ContestClient;

/** Clients of what listens there; they end with `resources`. */
export const clientAt =
  (resources: AsyncDisposableStack, endpoint: string): ClientOf =>
  (service, settings = {}) => {
    const client = contestClient(service, endpoint, settings);
    resources.defer(() => client.close());
    return client;
  };

function contestClient(service: string, endpoint: string, options: ClientSettings): ContestClient {
  const trust =
    options.tls === undefined ? credentials.createInsecure() : ChannelCredentials.createSsl(options.tls.authority);
  const client = new (constructorOf(service))(endpoint, trust, options.channel);
  const method = (name: string): Method => (client[name] as Method).bind(client);
  return {
    call: (name, request, { secret, signal, ...settings } = {}) => {
      const { promise, resolve, reject } = Promise.withResolvers<Record<string, unknown>>();
      const done = (error: ServiceError | null, reply: Record<string, unknown>): void => {
        if (error === null) resolve(reply);
        else reject(new Failed(error));
      };
      const call = method(name)(request, metadataOf(secret), settings, done);
      signal?.addEventListener("abort", () => call.cancel());
      return promise;
    },
    stream: async (name, request, { secret, signal, ...settings } = {}) => {
      const call = method(name)(request, metadataOf(secret), settings) as unknown as AsyncIterable<
        Record<string, unknown>
      > & {
        cancel(): void;
      };
      signal?.addEventListener("abort", () => call.cancel());
      const messages = [];
      try {
        for await (const message of call) messages.push(message);
      } catch (error) {
        throw new Failed(error as ServiceError);
      }
      return messages;
    },
    close: () => client.close(),
  };
}

function metadataOf(secret: string | undefined): Metadata {
  const metadata = new Metadata();
  if (secret !== undefined) metadata.set("authorization", `Bearer ${secret}`);
  return metadata;
}

/** The contracts' messages and enumerations, by package. */
export function contractsTypes(): ReadonlyMap<string, readonly (MessageDescriptor | EnumDescriptor)[]> {
  const types = Object.entries(definitions).flatMap(([name, { type }]) =>
    type === undefined ? [] : [[name.slice(0, name.lastIndexOf(".")), type as unknown as MessageDescriptor] as const],
  );
  const byPackage = Map.groupBy(types, ([packageName]) => packageName);
  return new Map(Array.from(byPackage, ([packageName, all]) => [packageName, all.map(([, type]) => type)]));
}

/** Of a service that somebody else's server has. */
export const definitionOf = (service: string): ServiceDefinition => constructorOf(service).service;

const constructorOf = (service: string): ServiceClientConstructor =>
  service
    .split(".")
    .reduce<unknown>((packages, name) => (packages as GrpcObject)[name], contract) as ServiceClientConstructor;

/** The failure of a promise that has to fail. */
export const failureOf = (promise: Promise<unknown>): Promise<Failed> =>
  promise.then(
    (reply) => {
      throw new Error(`expected a failure, got ${JSON.stringify(reply)}`);
    },
    (error: unknown) => {
      if (error instanceof Failed) return error;
      throw error;
    },
  );
