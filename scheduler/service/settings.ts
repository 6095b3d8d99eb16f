// Environment variables of the scheduler's programs, in one table per part: the contests' own names where they have one. docs/grpc.md
// mirrors them (a test holds them equal).

import { PLACE_TABLES } from "#runtime/place-settings.ts";
import {
  choiceSetting,
  integerBetween,
  integerSetting,
  optionalSetting,
  textSetting,
  type Setting,
  type SettingTable,
  PORT_MAX,
} from "#runtime/setting.ts";
import { EVEN_WEIGHTS, WEIGHTS_FORM, weightsIn, type Weights2020 } from "../policy/weights-2020.ts";
import { CONTEST_SETTINGS } from "../settings.ts";
import type { StockedNode } from "./node-stock.ts";
import { POLICY_NAMES } from "./policy-choice.ts";

/** The scheduler's own bound. */
const NODES_MAX = 10_000;

const port = (variable: string, otherwise: number, meaning: string) =>
  integerSetting(variable, { otherwise, min: 0, max: PORT_MAX }, meaning);

/** Of every gRPC listener and client, and of pages over HTTP beside them. */
export const GRPC_SETTINGS = {
  host: textSetting("LOCUS_GRPC_HOST", "127.0.0.1", "address that gRPC services listen on; `0.0.0.0` for all"),
  secret: optionalSetting(
    "LOCUS_GRPC_SECRET",
    "not set",
    "what callers send as `authorization: Bearer …`, and what our own clients send; without it whoever reaches a listener is served",
  ),
  certificateFile: optionalSetting(
    "LOCUS_GRPC_CERT",
    "not set",
    "TLS: a file with the listeners' certificate and its chain (PEM)",
  ),
  keyFile: optionalSetting("LOCUS_GRPC_KEY", "not set", "TLS: a file with the certificate's key (PEM)"),
  authoritiesFile: optionalSetting(
    "LOCUS_GRPC_CA",
    "not set",
    "TLS: a file with the authorities that our own clients trust (PEM); set, they speak TLS",
  ),
};

export const POLICY_SETTING = choiceSetting(
  "LOCUS_POLICY",
  "forecast",
  POLICY_NAMES,
  `who decides when instances start and end: ${POLICY_NAMES.join(", ")}`,
);

export const INSTANCES_MAX_SETTING = optionalSetting(
  "LOCUS_INSTANCES_MAX",
  "as many as find room",
  "instances of all functions together, which whoever schedules divides among them",
  integerBetween(1, 1_000_000),
);

const WEIGHTS_SETTING: Setting<Weights2020> = {
  variable: "LOCUS_SCORE_WEIGHTS",
  fallback: "`0.5/0.5`",
  meaning: `what the contest's score weighs response times and node time by: ${WEIGHTS_FORM}. The policy \`forecast\` goes by them`,
  otherwise: EVEN_WEIGHTS,
  parse: (text) => {
    const weights = weightsIn(text);
    if (weights === null) throw new Error(`"${text}" is not ${WEIGHTS_FORM}`);
    return weights;
  },
};

const stateFile = optionalSetting(
  "LOCUS_SCHEDULER_STATE",
  "not set: it learns anew",
  "file that keeps what was learned of functions over a restart; of one process",
);

const clusterFile = optionalSetting(
  "LOCUS_SCHEDULER_STATE",
  "not set: it learns anew, and finds no container again",
  "file that keeps over a restart what was learned of functions, and which nodes and containers are its own; of one process",
);

const metricsPort = optionalSetting(
  "LOCUS_METRICS_PORT",
  "not set: they are not served",
  "port of its metrics, `GET /metrics` over HTTP, on the address that gRPC services listen on, with their TLS and their secret or its own; 0 takes a free one",
  integerBetween(0, PORT_MAX),
);

const metricsSecret = optionalSetting(
  "LOCUS_METRICS_SECRET",
  "`LOCUS_GRPC_SECRET`",
  "what readers of the metrics send as `authorization: Bearer …`, so that whoever collects figures can do nothing else with it",
);

const stackName = optionalSetting("STACK_NAME", "not set", "name of the stack, for the log");
const accountName = textSetting(
  "STACK_NAME",
  "locus",
  "name of the stack, for the log; what owns its nodes is named by it, and until a caller names its account nodes are reserved for one of that name",
);
const hostName = optionalSetting("HOST_NAME", "not set", "name of this host, for the log");
const nodesMax = integerSetting(
  "LOCUS_NODES_MAX",
  { otherwise: CONTEST_SETTINGS.nodesMax, min: 1, max: NODES_MAX },
  "nodes that may be reserved at once",
);

/** Of `scaler`, the 2023 contest's. */
export const SCALER_SETTINGS = {
  port: port("LOCUS_SCALER_PORT", 9_001, "port of the Scaler; 0 takes a free one"),
  metricsPort,
  metricsSecret,
  platform: textSetting("LOCUS_PLATFORM_ENDPOINT", "127.0.0.1:50051", "`host:port` of the Platform"),
  policy: POLICY_SETTING,
  stateFile,
};

/** Of the 2020 contest's scheduler; the first four are the contest's own. */
export const SCHEDULER_SETTINGS = {
  port: port("SERVICE_PORT", 10_600, "port of the Scheduler; 0 takes a free one"),
  resourceManager: optionalSetting(
    "RESOURCE_MANAGER_ENDPOINT",
    "none: it has to be set",
    "`host:port` of the ResourceManager",
  ),
  stackName: accountName,
  hostName,
  nodesMax,
  nodesMin: integerSetting(
    "LOCUS_NODES_MIN",
    { otherwise: CONTEST_SETTINGS.nodesMin, min: 0, max: NODES_MAX },
    "nodes that are reserved at the start, and kept although nothing runs there; within LOCUS_NODES_MAX",
  ),
  nodesAhead: integerSetting(
    "LOCUS_NODES_AHEAD",
    { otherwise: CONTEST_SETTINGS.nodesAhead, min: 0, max: NODES_MAX },
    "empty nodes that are kept in reserve, so that a start that no other node has room for waits for none; within LOCUS_NODES_MAX",
  ),
  nodeIdleMs: integerSetting(
    "LOCUS_NODE_IDLE_MS",
    { otherwise: CONTEST_SETTINGS.nodeIdleMs, min: 0, max: 3_600_000 },
    "time after which a node without a container is given back, ms, unless it is one of those that are kept",
  ),
  policy: POLICY_SETTING,
  weights: WEIGHTS_SETTING,
  metricsPort,
  metricsSecret,
  stateFile: clusterFile,
};

/** Of the scheduler of our own nodes, where that is a process apart. */
export const CAPACITY_SETTINGS = {
  port: port("LOCUS_SCHEDULER_PORT", 10_600, "port that nodes find it on; 0 takes a free one"),
  metricsPort,
  metricsSecret,
  policy: POLICY_SETTING,
  instancesMax: INSTANCES_MAX_SETTING,
  stateFile,
};

/** Of the 2020 contest's API server; the first four are the contest's own. */
export const API_SERVER_SETTINGS = {
  port: port("SERVICE_PORT", 10_500, "port of the APIServer; 0 takes a free one"),
  scheduler: optionalSetting("SCHEDULER_ENDPOINT", "none: it has to be set", "`host:port` of the Scheduler"),
  stackName,
  hostName,
  functionsFile: optionalSetting(
    "LOCUS_FUNCTIONS_FILE",
    "none: it has to be set",
    "JSON file with the functions that may be called: a list of `function_name`, `timeout_in_ms`, `memory_in_bytes`, `handler`",
  ),
};

/** Of the 2020 contest's resource manager; the first three are the contest's own. */
export const RESOURCE_MANAGER_SETTINGS = {
  port: port("SERVICE_PORT", 10_400, "port of the ResourceManager; 0 takes a free one"),
  stackName,
  hostName,
  nodes: optionalSetting(
    "LOCUS_NODES",
    "none: it has to be set",
    "`host:port` of each node's NodeService, separated by commas; also its id",
    nodesIn,
  ),
  nodeMemoryMib: integerSetting(
    "LOCUS_NODE_MEMORY_MIB",
    { otherwise: 3_072, min: 1, max: 1 << 20 },
    "memory that each of them offers to containers",
  ),
  nodesReady: integerSetting(
    "LOCUS_NODES_READY",
    { otherwise: 10, min: 0, max: NODES_MAX },
    "nodes ready at the start",
  ),
  nodesMax,
  refillMsMax: integerSetting(
    "LOCUS_NODE_REFILL_MS",
    { otherwise: 30_000, min: 0, max: 3_600_000 },
    "longest time that the next node takes to be ready, and one that was released, ms; each takes a random part of it",
  ),
};

/** Of `simulator`, the 2023 contest's. */
export const SIMULATOR_SETTINGS = {
  port: port("LOCUS_PLATFORM_PORT", 50_051, "port of the Platform; 0 takes a free one"),
  statisticsHost: textSetting("LOCUS_STATISTICS_HOST", "127.0.0.1", "address that the statistics listen on"),
  statisticsPort: port(
    "LOCUS_STATISTICS_PORT",
    9_000,
    "port of the statistics (HTTP), with the TLS and the secret of gRPC listeners; 0 takes a free one",
  ),
  scaler: textSetting("LOCUS_SCALER_ENDPOINT", "127.0.0.1:9001", "`host:port` of the Scaler"),
  dataFolder: textSetting("LOCUS_DATA_DIR", "/tmp/data", "folder with a folder for each data set"),
  traceSeconds: integerSetting(
    "LOCUS_TRACE_SECONDS",
    { otherwise: 180, min: 10, max: 86_400 },
    "length of the synthetic trace, which is played where there is no data set, s",
  ),
};

/** All that a program here may find in its environment. */
export const SCHEDULER_TABLES: readonly SettingTable[] = [
  GRPC_SETTINGS,
  SCALER_SETTINGS,
  SCHEDULER_SETTINGS,
  CAPACITY_SETTINGS,
  API_SERVER_SETTINGS,
  RESOURCE_MANAGER_SETTINGS,
  SIMULATOR_SETTINGS,
  ...PLACE_TABLES,
];

/** Addresses in brackets have colons of their own. */
function nodesIn(list: string): readonly Omit<StockedNode, "memoryBytes">[] {
  const nodes = list.split(",").map((text) => {
    const [, address = "", digits = ""] = /^\s*(\S+):(\d{1,5})\s*$/.exec(text) ?? [];
    const nodePort = Number(digits);
    if (address === "" || nodePort < 1 || nodePort > PORT_MAX) throw new Error(`"${text}" is no host:port`);
    return { id: `${address}:${nodePort}`, address, port: nodePort };
  });
  if (nodes.length > NODES_MAX) throw new Error(`${nodes.length} nodes, at most ${NODES_MAX} are allowed`);
  const ids = nodes.map(({ id }) => id);
  if (new Set(ids).size < ids.length) throw new Error("it names a node twice");
  return nodes;
}
