// The peer of the scheduler over gRPC: a bare grpc-js server whose two methods, with the same messages, answer at once with what they always
// answer. Started by acquire.bench.ts.

import { Server, ServerCredentials, type sendUnaryData } from "@grpc/grpc-js";
import { SERVICES } from "#scheduler/grpc/services.ts";
import { servePeer } from "../harness/peer-process.ts";

const ACQUIRED = { node_id: "node-1", node_address: "127.0.0.1", node_service_port: 10_700, container_id: "i0" };

const server = new Server();
server.addService(SERVICES["schedulerproto.Scheduler"], {
  AcquireContainer: (_call: unknown, reply: sendUnaryData<unknown>) => reply(null, ACQUIRED),
  ReturnContainer: (_call: unknown, reply: sendUnaryData<unknown>) => reply(null, {}),
});
const { promise: endpoint, resolve, reject } = Promise.withResolvers<string>();
server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) => {
  if (error === null) resolve(`127.0.0.1:${port}`);
  else reject(error);
});

servePeer(() => endpoint);
