// What every gRPC listener says of itself, its health and its services, asked by gRPC's published protocols with nothing of ours between them and the
// wire.

import { join } from "node:path";
import { Client, credentials, Metadata } from "@grpc/grpc-js";
import { loadSync, type MessageTypeDefinition, type ServiceDefinition } from "@grpc/proto-loader";

/** HealthCheckResponse { ServingStatus status = 1; }, UNKNOWN being 0. */
export const SERVING = "0801";
export const NOT_SERVING = "0802";
export const SERVICE_UNKNOWN = "0803";

/** The reply as hexadecimal digits. Rejects as grpc-js does. */
export function healthOf(endpoint: string, service: string): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const client = new Client(endpoint, credentials.createInsecure());
  client.makeUnaryRequest("/grpc.health.v1.Health/Check", same, same, stringField(1, service), (error, reply) => {
    client.close();
    if (error === null) resolve((reply as Buffer).toString("hex"));
    else reject(error);
  });
  return promise;
}

/** What who watches the health is told, one reply after another, as `healthOf` has them. The watch ends with `resources`. */
export function watchedHealthOf(
  resources: AsyncDisposableStack,
  endpoint: string,
  service: string,
): () => Promise<string> {
  const client = new Client(endpoint, credentials.createInsecure());
  const stream = client.makeServerStreamRequest("/grpc.health.v1.Health/Watch", same, same, stringField(1, service));
  stream.on("error", () => {});
  resources.defer(() => {
    stream.cancel();
    client.close();
  });
  const replies = stream[Symbol.asyncIterator]() as AsyncIterator<Buffer, undefined>;
  return async () => {
    const { value } = await replies.next();
    if (value === undefined) throw new Error(`the watch of the health of "${service}" has ended`);
    return value.toString("hex");
  };
}

export type ReflectionVersion = "v1" | "v1alpha";
interface ReflectionSettings {
  readonly version?: ReflectionVersion;
  readonly secret?: string;
}
interface ReflectionReply {
  readonly list_services_response?: { readonly service: readonly { readonly name: string }[] };
  readonly file_descriptor_response?: { readonly file_descriptor_proto: readonly Buffer[] };
  readonly error_response?: { readonly error_code: number; readonly error_message: string };
}

const PROTOS = join(import.meta.dirname, "..", "fixtures", "proto");
const { ServerReflectionInfo: REFLECTION } = loadSync("server-reflection.proto", {
  keepCase: true,
  arrays: true,
  includeDirs: [PROTOS],
})["grpc.reflection.v1.ServerReflection"] as ServiceDefinition;

/** The reply to one question of reflection. Rejects as grpc-js does. */
async function reflectedAt(
  endpoint: string,
  question: object,
  { version = "v1", secret }: ReflectionSettings,
): Promise<ReflectionReply> {
  const metadata = new Metadata();
  if (secret !== undefined) metadata.set("authorization", `Bearer ${secret}`);
  const client = new Client(endpoint, credentials.createInsecure());
  try {
    const path = `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`;
    const { requestSerialize, responseDeserialize } = REFLECTION!;
    const stream = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize, metadata);
    stream.write(question);
    const [reply] = (await stream.take(1).toArray()) as [ReflectionReply];
    stream.cancel();
    return reply;
  } finally {
    client.close();
  }
}

/** The full names of the services that reflection lists. Rejects as grpc-js does. */
export async function servicesAt(endpoint: string, settings: ReflectionSettings = {}): Promise<readonly string[]> {
  const { list_services_response: listed } = await reflectedAt(endpoint, { list_services: "" }, settings);
  return listed!.service.map(({ name }) => name);
}

/** What of descriptor.proto is looked at. */
export interface FileDescriptor {
  readonly package: string;
  readonly syntax: string;
  readonly messageType: readonly MessageDescriptor[];
  readonly enumType: readonly EnumDescriptor[];
}
export interface MessageDescriptor {
  readonly name: string;
  readonly field: readonly {
    readonly name: string;
    readonly number: number;
    readonly type: string;
    readonly label: string;
    readonly typeName: string;
    readonly proto3Optional: boolean;
  }[];
  readonly nestedType: readonly MessageDescriptor[];
  readonly reservedRange: readonly { readonly start: number; readonly end: number }[];
  readonly options: { readonly mapEntry: boolean } | null;
}
export interface EnumDescriptor {
  readonly name: string;
  readonly value: readonly { readonly name: string; readonly number: number }[];
}

const FILE = loadSync("google/protobuf/descriptor.proto", { keepCase: true, enums: String, defaults: true })[
  "google.protobuf.FileDescriptorProto"
] as MessageTypeDefinition<FileDescriptor, FileDescriptor>;

/** The files that a symbol and what it refers to are in; or how the protocol says that there are none, a number of a status. Rejects as grpc-js does. */
export async function filesOfSymbol(
  endpoint: string,
  symbol: string,
  settings: ReflectionSettings = {},
): Promise<readonly FileDescriptor[] | number> {
  const reply = await reflectedAt(endpoint, { file_containing_symbol: symbol }, settings);
  const { file_descriptor_response: found, error_response: error } = reply;
  return found?.file_descriptor_proto.map((bytes) => FILE.deserialize(bytes)) ?? error!.error_code;
}

const same = (bytes: Buffer): Buffer => bytes;

const stringField = (number: number, text: string): Buffer =>
  Buffer.concat([Buffer.from([(number << 3) | 2, Buffer.byteLength(text)]), Buffer.from(text)]);
