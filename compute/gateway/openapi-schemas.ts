// The shapes that the OpenAPI document refers to by name.

import { CONSTANTS_SOURCES } from "#runtime/placement/cost-model.ts";
import { ERRORS } from "#runtime/errors.ts";
import { LIMITS, NAME_PATTERN } from "#runtime/function/description.ts";
import { SIDE_REASONS } from "#runtime/placement/choose-side.ts";
import { PLACEMENT_STATES } from "#runtime/placement/plan.ts";
import { LOG_LEVELS } from "../node/log-buffer.ts";
import { TRACE_STATES } from "../node/trace.ts";
import { P99_MS_RANGE, WEIGHT_RANGE } from "../placement/stored-rules.ts";

const text = { type: "string" } as const;
const flag = { type: "boolean" } as const;
const count = { type: "integer", minimum: 0 } as const;
const texts = { type: "array", items: text } as const;
const side = { type: "string", enum: ["compute", "storage"] } as const;
const anyJson = { description: "Any JSON." } as const;

const object = (properties: Record<string, unknown>, optional: readonly string[] = []) => ({
  type: "object",
  properties,
  required: Object.keys(properties).filter((name) => !optional.includes(name)),
});

const ref = (name: string) => ({ $ref: `#/components/schemas/${name}` });

const microseconds = (meaning: string) => ({ ...count, description: `${meaning}, µs.` });

const partHealth = object({ ready: flag, code: ref("ErrorCode"), detail: text }, ["code"]);

const functionProperties = {
  name: ref("FunctionName"),
  version: { ...text, pattern: "^[0-9a-f]{16}$", description: "First 16 hex digits of the SHA-256 of the bundle." },
  side: { type: ["string", "null"], enum: ["compute", "storage", null] },
  limits: ref("Limits"),
  input: { description: "JSON Schema of the arguments, or null." },
  output: { description: "JSON Schema of the result, or null." },
};

const scaleProperties = {
  min: { ...count, default: 0, description: "Instances that are kept warm." },
  max: { type: ["integer", "null"], minimum: 1, description: "Instances at once; null: as many as fit." },
};

export const schemas = {
  Side: side,
  SideReason: {
    type: "string",
    enum: SIDE_REASONS,
    description:
      "Why a call ran where it did: its caller asked; the plan; a visit that keeps the other side's profile true; the author's preference; nobody said anything; the side that was chosen could run nothing.",
  },
  ErrorCode: { type: "string", enum: Object.keys(ERRORS) },
  FunctionName: { type: "string", pattern: NAME_PATTERN.source },
  Limits: object(
    Object.fromEntries(
      Object.entries(LIMITS).map(([name, { min, max, default: otherwise }]) => [
        name,
        { type: "integer", minimum: min, maximum: max, default: otherwise },
      ]),
    ),
  ),
  Function: object(functionProperties),
  Deployment: object({
    ...functionProperties,
    previousVersion: {
      type: ["string", "null"],
      description: "Of the function whose place it took, the same where nothing changed; null where there was none.",
    },
  }),
  Usage: object({
    wallUs: microseconds("From admission by the supervisor to its reply"),
    queueUs: microseconds("Of that: waiting for an isolate"),
    startUs: microseconds("Of that: while the isolate was being opened"),
    cpuUs: microseconds("Computing"),
    slowedUs: microseconds("Of that: since the core was slower than it usually is"),
    waitUs: microseconds("Waiting for replies or timers"),
    operations: { ...count, description: "Redis commands sent." },
    rounds: { ...count, description: "Batches of commands sent and waited for." },
    bytesOut: { ...count, description: "RESP bytes of commands." },
    bytesIn: { ...count, description: "RESP bytes of replies." },
    findableOperations: {
      ...count,
      description: "Of the operations: reads that a read cache may answer, on either side.",
    },
    findableRounds: { ...count, description: "Of the rounds: those of nothing else." },
    foundOperations: { ...count, description: "Of the operations: answered from the read cache; 0 at compute." },
    foundRounds: { ...count, description: "Of the rounds: answered from it as a whole; 0 at compute." },
    lockUs: microseconds("Under Redis' lock; 0 at compute"),
  }),
  TraceStep: object(
    {
      state: { type: "string", enum: TRACE_STATES },
      side: { type: ["string", "null"], enum: ["compute", "storage", null] },
      atUs: microseconds("Since admission by the node, when it first came to it; waiting has none"),
      forUs: microseconds("Altogether; none of what ends a run"),
    },
    ["atUs", "forUs"],
  ),
  BatchCall: {
    ...object({ args: anyJson, keys: texts }, ["args", "keys"]),
    additionalProperties: false,
    description: "One line of a batch.",
  },
  BatchReply: {
    ...object(
      {
        result: anyJson,
        error: object(
          { code: ref("ErrorCode"), message: text, retry: flag, stack: text, status: count, data: anyJson },
          ["stack", "status", "data"],
        ),
        side: { type: ["string", "null"], enum: ["compute", "storage", null] },
        reason: { type: ["string", "null"], enum: [...SIDE_REASONS, null] },
        version: { type: ["string", "null"] },
        invocation: text,
        elapsedUs: microseconds("From admission by the node to its answer"),
        usage: { anyOf: [ref("Usage"), { type: "null" }] },
        trace: { type: "array", items: ref("TraceStep") },
        logs: texts,
      },
      ["result", "error", "side", "reason", "version", "invocation", "elapsedUs", "usage", "trace", "logs"],
    ),
    description: "One line of the reply: a result or an error, and what was asked for beside it.",
  },
  Problem: {
    ...object(
      {
        type: { ...text, format: "uri" },
        title: text,
        status: { type: "integer", minimum: 400, maximum: 599 },
        detail: text,
        code: ref("ErrorCode"),
        retry: { ...flag, description: "Whether the same request may succeed later without any change." },
        remedy: text,
        stack: text,
        data: { ...anyJson, description: "What the function says beside the message, where it refused the call." },
        logs: texts,
      },
      ["stack", "data", "logs"],
    ),
    description: "An error, after RFC 9457.",
  },
  Health: object({
    ready: flag,
    storage: partHealth,
    compute: {
      ...partHealth,
      properties: {
        ...partHealth.properties,
        confinement: { ...texts, description: "What confines every sandbox host of the node." },
        actingFor: {
          type: "array",
          items: object({ user: text, database: { type: "integer", minimum: 0 } }),
          description: "The other users of Redis whose calls run here, each in a sandbox host of its own.",
        },
      },
    },
    accepting: flag,
    warnings: { ...texts, description: "What slows the node down: where functions lack CPU." },
  }),
  PlacementRules: {
    ...object(
      {
        pin: { description: "compute, storage, or the share at storage from 0 to 1; null leaves it free." },
        weight: {
          type: ["number", "null"],
          minimum: WEIGHT_RANGE.min,
          maximum: WEIGHT_RANGE.max,
          default: 1,
          description:
            "How much a µs of its callers' time counts; null, which replies never have, is the default again.",
        },
        p99UnderMs: {
          type: ["number", "null"],
          minimum: P99_MS_RANGE.min,
          maximum: P99_MS_RANGE.max,
          description: "A side whose 99th percentile is above it is left while the other's is below.",
        },
      },
      ["pin", "weight", "p99UnderMs"],
    ),
    additionalProperties: false,
  },
  Placement: {
    ...object({
      function: ref("FunctionName"),
      state: { type: "string", enum: PLACEMENT_STATES },
      share: { type: "number", minimum: 0, maximum: 1, description: "Of its calls, at storage." },
      probeEvery: { ...count, description: "One call in so many visits the other side; 0: none." },
      backCpuUs: {
        ...count,
        description: "A call that has computed at storage for so long is run at compute instead; 0: none is.",
      },
      overflowMin: {
        ...count,
        description:
          "A call goes to the other side where so many that may do so are in flight on its own, and overflowTimes as many besides as on the other; 0: none does.",
      },
      overflowTimes: { type: "number", minimum: 0 },
    }),
    description:
      "While a node controls placement also: reason (in words), rules, callsPerSecond (over the last ten seconds), moves, reverts, trials, demand, sides (latency by term, predicted and measured, µs), difference (what moving would add, by term, µs), standing (why it stays or moves) and transitions. warnings: where functions lack CPU, as the node sees that was asked.",
  },
  PlacementOverview: object({
    planVersion: count,
    decidedMs: {
      type: ["number", "null"],
      description: "When who decides last changed the plan, ms since 1970; null: not since it began to.",
    },
    controller: { type: ["string", "null"], description: "The node that decides; null: none, the last plan holds." },
    nodes: { type: ["integer", "null"] },
    outlook: { type: ["object", "null"], description: "How busy the plan makes each part." },
    regret: { type: ["number", "null"], description: "Of what the best shares would give, the part that is missing." },
    constants: { type: ["object", "null"], description: "What moving and computing cost here, µs." },
    constantsFrom: {
      enum: [...CONSTANTS_SOURCES, null],
      description:
        "Whether they were measured by this controller (network: of what the network takes alone, others being at work), kept from an earlier one, or are the usual ones.",
    },
    functions: { type: "array", items: ref("Placement") },
  }),
  Node: object({
    id: text,
    address: text,
    port: { type: "integer" },
    memoryMb: { type: "number", description: "That it offers to instances." },
    promisedMb: { type: "number", description: "Of that, promised to instances." },
    freeMb: { type: "number", description: "For more of them: what others use there counts as taken." },
    cpus: { type: "number" },
    promisedCpus: { type: "number" },
    freeCpus: { type: "number" },
    instances: count,
    draining: { ...flag, description: "It leaves, and takes no new ones." },
  }),
  Instance: object({
    id: text,
    function: ref("FunctionName"),
    version: { type: ["string", "null"] },
    node: { ...text, description: "On which it is." },
    state: { type: "string", enum: ["starting", "idle", "busy", "draining"] },
    holder: { type: ["string", "null"], description: "The node that uses it." },
    memoryMb: { type: "number", description: "Promised to it." },
    cpus: { type: "number" },
    ageMs: count,
  }),
  ScaleRule: object(scaleProperties, ["min", "max"]),
  FunctionScale: object({ function: ref("FunctionName"), ...scaleProperties }),
  FunctionStats: object({
    function: ref("FunctionName"),
    side,
    calls: { ...count, description: "That a sandbox ran." },
    failed: { ...count, description: "Of these: ended with an error." },
    errors: { type: "object", additionalProperties: count, description: "How many ended with which code." },
    meanUs: microseconds("From admission by the node to its answer"),
    p50Us: microseconds("The median, to 5 %; within the shortest and the longest"),
    p99Us: microseconds("The 99th percentile, to 5 %; within the shortest and the longest"),
  }),
  LogLine: object({
    time: { ...text, format: "date-time" },
    level: { type: "string", enum: LOG_LEVELS },
    source: { ...text, description: "The function, or the part of locus that speaks." },
    side: { type: ["string", "null"], enum: ["compute", "storage", null] },
    invocation: { type: ["string", "null"], description: "The id of its call, where that has not been answered yet." },
    text,
  }),
};

export const schemaRef = (name: keyof typeof schemas) => ref(name);
