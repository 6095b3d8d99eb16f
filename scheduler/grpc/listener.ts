// A gRPC listener: services behind one port, with health and reflection, bounded, in plain text or with TLS, and with a secret
// where one is set.

import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { Server, type UntypedServiceImplementation } from "@grpc/grpc-js";
import { ReflectionService } from "@grpc/reflection";
import { HealthImplementation } from "grpc-health-check";
import { LocusError } from "#runtime/errors.ts";
import { withProtocsDescriptors } from "./file-descriptors.ts";
import { askForSecret } from "./secret.ts";
import { type ListenerSecurity, serverCredentials } from "./security.ts";
import { PACKAGE, SERVICES, type ServiceName } from "./services.ts";

/** Calls at once on one connection: the contest's own figure for its Scaler. More wait at the client. */
const STREAMS_MAX = 1_000;
/** One more is closed at once. Chosen: callers are nodes, schedulers and a few tools, each with up to three connections. */
const CONNECTIONS_MAX = 1_024;
/** The largest messages carry a function's args or its result; other fields are small. */
export const MESSAGE_BYTES_MAX = 4 * 1024 * 1024 + 256 * 1024;
/** HTTP/2's own windows for headers and data of one connection, MB. */
const SESSION_MEMORY_MB = 64;
const OPTIONS = {
  "grpc.max_concurrent_streams": STREAMS_MAX,
  "grpc.max_receive_message_length": MESSAGE_BYTES_MAX,
  "grpc.max_send_message_length": MESSAGE_BYTES_MAX,
  "grpc-node.max_session_memory": SESSION_MEMORY_MB,
};

/** What reflection tells of, as far as it is served. */
const REFLECTED = withProtocsDescriptors(PACKAGE);

type Services = { readonly [name in ServiceName]?: UntypedServiceImplementation };

export interface ListenerOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly security: ListenerSecurity;
  readonly services: Services;
}

export interface Listener {
  readonly port: number;
  /** Takes no more calls, and says so to who asks for health; lets those under way end for at most `graceMs`, then cancels them. Idempotent. */
  close(graceMs: number): Promise<void>;
}

/** Rejects with CONFIG_INVALID where the address or the certificate cannot be used. */
export async function listen({ host, port, security, services }: ListenerOptions): Promise<Listener> {
  const { secret } = security;
  const server = new Server({ ...OPTIONS, interceptors: secret === null ? [] : [askForSecret(secret)] });
  for (const [name, implementation] of Object.entries(services)) {
    server.addService(SERVICES[name as ServiceName], implementation);
  }
  const health = new HealthImplementation({ "": "SERVING", ...servingOf(services) });
  health.addToServer(server);
  new ReflectionService(REFLECTED, { services: Object.keys(services) }).addToServer(server);

  // The sockets are ours: gRPC's own bounds no connections, and forgets those that go on when it is shut down.
  const connections = new Set<Socket>();
  const socket = createServer({ noDelay: true });
  socket.maxConnections = CONNECTIONS_MAX;
  try {
    const injector = server.createConnectionInjector(serverCredentials(security));
    socket.on("connection", (connection) => {
      connections.add(connection);
      connection.once("close", () => connections.delete(connection));
      injector.injectConnection(connection);
    });
    socket.listen({ host, port });
    await once(socket, "listening");
  } catch (cause) {
    server.forceShutdown();
    throw new LocusError("CONFIG_INVALID", `cannot listen on ${host} port ${port}: ${(cause as Error).message}`, {
      cause,
    });
  }

  let closed: Promise<void> | undefined;
  const close = async (graceMs: number): Promise<void> => {
    for (const name of ["", ...Object.keys(services)]) health.setStatus(name, "NOT_SERVING");
    const ended = new Promise((resolve) => socket.close(resolve));
    // Tells the clients to go; each connection ends with its last call.
    server.tryShutdown(() => {});
    const timer = setTimeout(() => connections.forEach((connection) => connection.destroy()), graceMs);
    await ended;
    clearTimeout(timer);
    server.forceShutdown();
  };
  return {
    port: (socket.address() as AddressInfo).port,
    close: (graceMs) => {
      closed ??= close(graceMs);
      return closed;
    },
  };
}

const servingOf = (services: Services): Record<string, "SERVING"> =>
  Object.fromEntries(Object.keys(services).map((name) => [name, "SERVING" as const]));
