// A gRPC listener of a node that people have been told of: it is where its settings say, or the node does not start.

import { LocusError } from "#runtime/errors.ts";
import { type Listener, listen, type ListenerOptions } from "#scheduler/grpc/listener.ts";
import type { GrpcConfig } from "#scheduler/service/config.ts";

/** `variable`: the setting that names the port. Rejects with CONFIG_INVALID. */
export async function openGrpcDoor(
  { host, listener: security }: GrpcConfig,
  { port, variable }: { readonly port: number; readonly variable: string },
  services: ListenerOptions["services"],
): Promise<Listener> {
  try {
    return await listen({ host, port, security, services });
  } catch (cause) {
    const text = `${(cause as Error).message} (LOCUS_GRPC_HOST, ${variable}; port 0 takes a free one)`;
    throw new LocusError("CONFIG_INVALID", text, { cause });
  }
}
