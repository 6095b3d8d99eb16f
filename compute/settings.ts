// Every environment variable that nodes and tools read beside where things are (runtime/place-settings.ts). `node/config.ts` and
// `cli/config.ts` make values of them; docs/configuration.md mirrors this file (a test holds them equal).

import { ARGS_BYTES_MAX, CODE_BYTES_MAX } from "#runtime/function/description.ts";
import { type Confinement } from "#runtime/sandbox/supervisor.ts";
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
import { PLACE_TABLES } from "#runtime/place-settings.ts";
import { ISOLATES_MB_MIN } from "./capacity/machine-offer.ts";
import { GRPC_SETTINGS, INSTANCES_MAX_SETTING, POLICY_SETTING } from "#scheduler/service/settings.ts";

const SCHEDULERS = ["auto", "off", "contest"] as const;

type Endpoint = `${string}:${string}`;

/** Who schedules instances: the controller, nobody, whoever reserves the node by the contest's protocol, or whoever listens at an endpoint. */
type SchedulerChoice = (typeof SCHEDULERS)[number] | Endpoint;

const ENDPOINT = /^(\[[^\]]+\]|[^:\s]+):(\d{1,5})$/;

const schedulerChoice = (text: string): SchedulerChoice => {
  const named = SCHEDULERS.find((name) => name === text);
  if (named !== undefined) return named;
  const port = Number(ENDPOINT.exec(text)?.[2] ?? 0);
  if (port >= 1 && port <= PORT_MAX) return text as Endpoint;
  throw new Error(`"${text}" is none of ${SCHEDULERS.join(", ")} and host:port`);
};

/** Of a scheduler that is a process of its own; null: it is none. */
export const schedulerEndpoint = (choice: SchedulerChoice): Endpoint | null =>
  SCHEDULERS.some((name) => name === choice) ? null : (choice as Endpoint);

/** Hosts that this machine alone reaches. */
export const LOOPBACK = /^(127\.|::1$|localhost$)/;

/** The contest's own. */
export const NODE_SERVICE_PORT = 10_700;

const cgroupFolder = (text: string): string => {
  if (text.split("/").every((part) => !["", ".", ".."].includes(part))) return text;
  throw new Error(`"${text}" is no folder below /sys/fs/cgroup`);
};

const LOG_LEVELS = ["trace", "debug", "info", "warn", "error", "fatal", "silent"] as const;

export const NODE_SETTINGS = {
  httpHost: textSetting("LOCUS_HTTP_HOST", "127.0.0.1", "address that the gateway listens on; `0.0.0.0` for all"),
  httpPort: integerSetting(
    "LOCUS_HTTP_PORT",
    { otherwise: 8080, min: 0, max: PORT_MAX },
    "port of the gateway; 0 takes a free one",
  ),
  httpConnectionsMax: integerSetting(
    "LOCUS_HTTP_CONNECTIONS_MAX",
    { otherwise: 4_096, min: 1, max: 1_000_000 },
    "client connections at once; one more is closed",
  ),
  httpBodyBytesMax: integerSetting(
    "LOCUS_HTTP_BODY_BYTES_MAX",
    { otherwise: ARGS_BYTES_MAX, min: 1_024, max: ARGS_BYTES_MAX },
    "bytes of an invocation's body, or of one line of a batch",
  ),
  functionUser: optionalSetting(
    "LOCUS_FUNCTION_USER",
    "the node's own user",
    "Redis user that functions run as, on connections apart from the node's own",
  ),
  functionPassword: optionalSetting("LOCUS_FUNCTION_PASSWORD", "not set", "its password"),
  inFlightMax: integerSetting(
    "LOCUS_IN_FLIGHT_MAX",
    { otherwise: 1_024, min: 1, max: 1_000_000 },
    "calls in the node at once; one more is refused with OVERLOADED",
  ),
  isolateMemoryMb: optionalSetting(
    "LOCUS_ISOLATE_MEMORY_MB",
    "half of the container's memory, or the machine's",
    "MiB that the isolates in a sandbox host may hold; beyond it those that are idle and worth least are closed. A small function takes 1.5. A quarter of it holds for each host of a function in quarantine, and of another user",
    integerBetween(ISOLATES_MB_MIN, 1024 * 1024),
  ),
  computeQueueMax: integerSetting(
    "LOCUS_COMPUTE_QUEUE_MAX",
    { otherwise: 1_024, min: 0, max: 1_000_000 },
    "calls waiting for an isolate on the compute side; one more is refused with OVERLOADED",
  ),
  computeConnections: integerSetting(
    "LOCUS_COMPUTE_CONNECTIONS",
    { otherwise: 4, min: 1, max: 64 },
    "connections from each sandbox host to Redis, pipelined; of several the last takes no writes",
  ),
  confinement: choiceSetting<Confinement>(
    "LOCUS_CONFINEMENT",
    "on",
    ["on", "required", "off"],
    "how sandbox hosts are shut in: `on`, with all that the machine allows; `required`, or not run at all where the filters for system calls are missing; `off`, for measuring what it costs",
  ),
  storageConnectionsMax: integerSetting(
    "LOCUS_STORAGE_CONNECTIONS_MAX",
    { otherwise: 64, min: 1, max: 10_000 },
    "calls in flight at the storage side, each on a connection of its own",
  ),
  storageQueueMax: integerSetting(
    "LOCUS_STORAGE_QUEUE_MAX",
    { otherwise: 1_024, min: 1, max: 1_000_000 },
    "calls waiting for one of those connections; one more is refused with OVERLOADED",
  ),
  actingUsersMax: integerSetting(
    "LOCUS_ACTING_USERS_MAX",
    { otherwise: 4, min: 0, max: 12 },
    "users other than the function user for whom calls that came to Redis run here, where Redis allows it; each has a sandbox host of its own, and the least recently used makes room",
  ),
  actingIdleMs: integerSetting(
    "LOCUS_ACTING_IDLE_MS",
    { otherwise: 300_000, min: 1_000, max: 86_400_000 },
    "ms without a call after which the sandbox host of such a user is closed",
  ),
  placement: choiceSetting(
    "LOCUS_PLACEMENT",
    "auto",
    ["auto", "declared"],
    "who chooses a side for calls that ask for none: `auto`, by measurement; `declared`, the function's own preference, else compute",
  ),
  scheduler: {
    variable: "LOCUS_SCHEDULER",
    fallback: "`auto`",
    meaning:
      "who gives calls of the compute side their instances: `auto`, the node that controls; `host:port` of a scheduler that is a process of its own, with the same `LOCUS_GRPC_SECRET` here and there; `off`, nobody: calls run on the node that they came to; `contest`, nobody either, and the node is served to whoever reserves it by the 2020 contest's protocol",
    otherwise: "auto",
    parse: schedulerChoice,
  } satisfies Setting<SchedulerChoice>,
  policy: POLICY_SETTING,
  instancesMax: INSTANCES_MAX_SETTING,
  storageThreadsMax: optionalSetting(
    "LOCUS_STORAGE_THREADS_MAX",
    "as many as the module's `isolate-memory-mb` has room for",
    "isolates of all functions together that run beside the data, which whoever schedules divides among them; of a scheduler that is a process apart the setting of the node that controls holds",
    integerBetween(1, 1_000_000),
  ),
  nodeServicePort: optionalSetting(
    "LOCUS_NODE_SERVICE_PORT",
    "10700; where that is taken a free one, but with `LOCUS_SCHEDULER=contest` it has to be free",
    "port on which other nodes and schedulers find this node; 0 takes a free one",
    integerBetween(0, PORT_MAX),
  ),
  nodeAddress: optionalSetting(
    "LOCUS_NODE_ADDRESS",
    "`LOCUS_GRPC_HOST`, or the host's name where that is all addresses",
    "name or address under which they reach it",
  ),
  funcLocPort: optionalSetting(
    "LOCUS_FUNC_LOC_PORT",
    "not set: it is not served",
    "port of AutoLoc's FuncLoc; the usual one is 50052, 0 takes a free one",
    integerBetween(0, PORT_MAX),
  ),
  nodeMemoryMb: optionalSetting(
    "LOCUS_NODE_MEMORY_MB",
    "`LOCUS_ISOLATE_MEMORY_MB`, or a quarter of the container's or machine's memory if instances are no isolates",
    "MiB that this node offers to instances",
    integerBetween(1, 1024 * 1024 * 1024),
  ),
  nodeCpus: optionalSetting(
    "LOCUS_NODE_CPUS",
    "the cores, or the container's quota of them",
    "cores that this node offers to instances; of a function it keeps as many isolates as these have a use for",
    integerBetween(1, 1_024),
  ),
  driver: choiceSetting(
    "LOCUS_DRIVER",
    "isolate",
    ["isolate", "process", "docker"],
    "what this node's instances are: `isolate`, isolates in its sandbox hosts; `process`, a process each, of functions that are trusted as the node is; `docker`, a container each",
  ),
  cpuQuotas: choiceSetting(
    "LOCUS_CPU_QUOTAS",
    "follow",
    ["follow", "fixed"],
    "CPU quotas of instances that are processes or containers: `follow`, as much as each is foreseen to use, all together at most `LOCUS_NODE_CPUS`; `fixed`, two cores each",
  ),
  cgroup: {
    variable: "LOCUS_CGROUP",
    fallback: "`locus`",
    meaning:
      "with `process`: folder below `/sys/fs/cgroup` in which each instance has a group; where none can be made instances have no CPU quota",
    otherwise: "locus",
    parse: cgroupFolder,
  } satisfies Setting<string>,
  dockerSocket: textSetting(
    "LOCUS_DOCKER_SOCKET",
    "/var/run/docker.sock",
    "with `docker`: socket of the container engine",
  ),
  dockerImage: optionalSetting(
    "LOCUS_DOCKER_IMAGE",
    "that of the node's own container, else the official one of its Node",
    "with `docker`: image of instances; it has `node` in its path, and is at the engine already",
  ),
  dockerNetwork: optionalSetting(
    "LOCUS_DOCKER_NETWORK",
    "that of the node's own container, else `bridge`",
    "with `docker`: network of the engine in which instances reach Redis",
  ),
  bundleCacheBytesMax: integerSetting(
    "LOCUS_BUNDLE_CACHE_BYTES_MAX",
    { otherwise: 64 * CODE_BYTES_MAX, min: 4 * CODE_BYTES_MAX, max: 1024 * 1024 * 1024 },
    "bytes of the bundles that the node holds; the least recently used make room",
  ),
  logLevel: choiceSetting(
    "LOCUS_LOG_LEVEL",
    "info",
    LOG_LEVELS,
    `least severe level in the process log: ${LOG_LEVELS.join(", ")}`,
  ),
  graceMs: integerSetting(
    "LOCUS_GRACE_MS",
    { otherwise: 10_000, min: 0, max: 300_000 },
    "ms that calls in flight get to end in when the node is told to stop",
  ),
};

/** All that a node or a tool may find in its environment. */
export const COMPUTE_TABLES: readonly SettingTable[] = [...PLACE_TABLES, NODE_SETTINGS, GRPC_SETTINGS];
