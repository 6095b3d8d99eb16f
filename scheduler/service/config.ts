// The settings of the scheduler's programs, read once when one starts.

import { readFileSync } from "node:fs";
import { LocusError } from "#runtime/errors.ts";
import {
  type Environment,
  readSettings,
  type SettingTable,
  type SettingValues,
  unknownVariables,
} from "#runtime/setting.ts";
import type { ListenerSecurity, PeerSecurity } from "../grpc/security.ts";
import {
  API_SERVER_SETTINGS,
  CAPACITY_SETTINGS,
  GRPC_SETTINGS,
  RESOURCE_MANAGER_SETTINGS,
  SCALER_SETTINGS,
  SCHEDULER_SETTINGS,
  SCHEDULER_TABLES,
  SIMULATOR_SETTINGS,
} from "./settings.ts";

export interface GrpcConfig {
  readonly host: string;
  readonly listener: ListenerSecurity;
  readonly peer: PeerSecurity;
}

type ScalerConfig = SettingValues<typeof SCALER_SETTINGS> & { readonly grpc: GrpcConfig };
/** Some have no default: read, they are there. */
type WithRequired<Table extends SettingTable, Names extends keyof Table> = SettingValues<Table> & {
  readonly [name in Names]: NonNullable<SettingValues<Table>[name]>;
} & { readonly grpc: GrpcConfig };

type SchedulerConfig = WithRequired<typeof SCHEDULER_SETTINGS, "resourceManager">;
type ApiServerConfig = WithRequired<typeof API_SERVER_SETTINGS, "scheduler" | "functionsFile">;
type ResourceManagerConfig = WithRequired<typeof RESOURCE_MANAGER_SETTINGS, "nodes">;
type CapacityConfig = SettingValues<typeof CAPACITY_SETTINGS> & { readonly grpc: GrpcConfig };
type SimulatorConfig = SettingValues<typeof SIMULATOR_SETTINGS> & { readonly grpc: GrpcConfig };

/** They throw CONFIG_INVALID with every mistake, a line each. */
export function readScalerConfig(environment: Environment = process.env): ScalerConfig {
  const { values, grpc } = read(SCALER_SETTINGS, environment, []);
  return { ...values, grpc };
}

export function readSchedulerConfig(environment: Environment = process.env): SchedulerConfig {
  const { values, grpc } = read(SCHEDULER_SETTINGS, environment, ["resourceManager"]);
  return { ...values, resourceManager: values.resourceManager ?? "", grpc };
}

export function readCapacityConfig(environment: Environment = process.env): CapacityConfig {
  // Nodes have one in any case, and a scheduler without serves whoever reaches it: anybody could have any function run.
  const noSecret = environment["LOCUS_GRPC_SECRET"]
    ? []
    : ["LOCUS_GRPC_SECRET: is not set; the nodes have to have the same"];
  const { values, grpc } = read(CAPACITY_SETTINGS, environment, [], noSecret);
  return { ...values, grpc };
}

export function readApiServerConfig(environment: Environment = process.env): ApiServerConfig {
  const { values, grpc } = read(API_SERVER_SETTINGS, environment, ["scheduler", "functionsFile"]);
  return { ...values, scheduler: values.scheduler ?? "", functionsFile: values.functionsFile ?? "", grpc };
}

export function readResourceManagerConfig(environment: Environment = process.env): ResourceManagerConfig {
  const { values, grpc } = read(RESOURCE_MANAGER_SETTINGS, environment, ["nodes"]);
  return { ...values, nodes: values.nodes ?? [], grpc };
}

export function readSimulatorConfig(environment: Environment = process.env): SimulatorConfig {
  const { values, grpc } = read(SIMULATOR_SETTINGS, environment, []);
  return { ...values, grpc };
}

function read<Table extends SettingTable>(
  table: Table,
  environment: Environment,
  required: readonly (keyof Table)[],
  more: readonly string[] = [],
): { readonly values: SettingValues<Table>; readonly grpc: GrpcConfig } {
  const own = readSettings(table, environment);
  const missing = required
    .map((name) => table[name]!.variable)
    .filter((variable) => !environment[variable])
    .map((variable) => `${variable}: is not set, and there is no default`);
  const mistakes = [...own.mistakes, ...missing, ...more, ...unknownVariables(SCHEDULER_TABLES, environment)];
  const grpc = readGrpcConfig(environment, mistakes);
  if (mistakes.length > 0) throw new LocusError("CONFIG_INVALID", ["cannot start:", ...mistakes].join("\n  "));
  return { values: own.values, grpc };
}

/** What all who serve or call over gRPC have. What is wrong with it is added to `mistakes`. */
export function readGrpcConfig(environment: Environment, mistakes: string[]): GrpcConfig {
  const { values, mistakes: own } = readSettings(GRPC_SETTINGS, environment);
  mistakes.push(...own);
  const { host, secret, certificateFile, keyFile, authoritiesFile } = values;
  const textOf = (variable: string, file: string | null): string => {
    try {
      return file === null ? "" : readFileSync(file, "utf8");
    } catch (error) {
      mistakes.push(`${variable}: ${(error as Error).message}`);
      return "";
    }
  };
  if ((certificateFile === null) !== (keyFile === null)) {
    mistakes.push("LOCUS_GRPC_CERT and LOCUS_GRPC_KEY: one is set without the other");
  }
  const [certificate, key] = [textOf("LOCUS_GRPC_CERT", certificateFile), textOf("LOCUS_GRPC_KEY", keyFile)];
  const authorities = textOf("LOCUS_GRPC_CA", authoritiesFile);
  return {
    host,
    listener: { secret, tls: certificateFile === null ? null : { certificate, key } },
    peer: { secret, tls: authoritiesFile === null ? null : { authorities, serverName: null } },
  };
}
