// What every gRPC listener says of itself, its health and its services, asked in bytes of our own with nothing of ours between them and the wire.

import { Client, credentials, Metadata } from "@grpc/grpc-js";

/** HealthCheckResponse { ServingStatus status = 1; }, SERVING being 1. */
export const SERVING = "0801";

const REFLECTION = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";

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

/** What reflection lists: text with the services' names in it. `secret`: null sends none. Rejects as grpc-js does. */
export async function servicesAt(endpoint: string, secret: string | null = null): Promise<string> {
  const client = new Client(endpoint, credentials.createInsecure());
  const metadata = new Metadata();
  if (secret !== null) metadata.set("authorization", `Bearer ${secret}`);
  const stream = client.makeBidiStreamRequest(REFLECTION, same, same, metadata);
  // ServerReflectionRequest { string list_services = 7; }
  stream.write(stringField(7, ""));
  try {
    const [listed] = (await stream.take(1).toArray()) as [Buffer];
    return listed.toString("latin1");
  } finally {
    stream.cancel();
    client.close();
  }
}

const same = (bytes: Buffer): Buffer => bytes;

const stringField = (number: number, text: string): Buffer =>
  Buffer.concat([Buffer.from([(number << 3) | 2, Buffer.byteLength(text)]), Buffer.from(text)]);
