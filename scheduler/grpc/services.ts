// The services of the contests' and AutoLoc's protocols, and of our own, loaded from the .proto files beside this one.

import { join } from "node:path";
import { loadSync, type PackageDefinition, type ServiceDefinition } from "@grpc/proto-loader";

const FILES = [
  "scheduler.proto",
  "resource-manager.proto",
  "node-service.proto",
  "api-server.proto",
  "serverless-sim.proto",
  "funcloc.proto",
  "capacity.proto",
];

/**
 * Names stay as the wire has them. Numbers of 64 bits become JavaScript's: one that does not fit exactly comes out as a number
 * that is no safe integer, whatever it was, and is refused by `integerIn`. What a sender left out has its zero, a message null.
 */
export const PACKAGE: PackageDefinition = loadSync(FILES, {
  includeDirs: [join(import.meta.dirname, "proto")],
  keepCase: true,
  longs: Number,
  enums: Number,
  defaults: true,
});

const service = (name: string): ServiceDefinition => PACKAGE[name] as ServiceDefinition;

/** By full name, as on the wire. */
export const SERVICES = {
  "schedulerproto.Scheduler": service("schedulerproto.Scheduler"),
  "resourcemanagerproto.ResourceManager": service("resourcemanagerproto.ResourceManager"),
  "nodeservoceproto.NodeService": service("nodeservoceproto.NodeService"),
  "apiserverproto.APIServer": service("apiserverproto.APIServer"),
  "serverless.simulator.Scaler": service("serverless.simulator.Scaler"),
  "serverless.simulator.Platform": service("serverless.simulator.Platform"),
  "funcloc.FuncLoc": service("funcloc.FuncLoc"),
  "locus.Capacity": service("locus.Capacity"),
  "locus.NodeCalls": service("locus.NodeCalls"),
} as const;

export type ServiceName = keyof typeof SERVICES;
