// Services on a port of this machine, and clients of them that know nothing of ours; all of it ended with `resources`.

import { listen, type ListenerOptions } from "#scheduler/grpc/listener.ts";
import { PLAIN } from "#scheduler/grpc/security.ts";
import { clientAt, type ClientOf } from "./contest-client.ts";

export interface Served {
  readonly endpoint: string;
  readonly close: () => Promise<void>;
  readonly client: ClientOf;
}

export async function serve(
  resources: AsyncDisposableStack,
  services: ListenerOptions["services"],
  security: ListenerOptions["security"] = PLAIN,
): Promise<Served> {
  const listener = await listen({ host: "127.0.0.1", port: 0, security, services });
  resources.defer(() => listener.close(0));
  const endpoint = `127.0.0.1:${listener.port}`;
  return {
    endpoint,
    close: () => listener.close(0),
    client: clientAt(resources, endpoint),
  };
}
