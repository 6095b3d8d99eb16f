// What a node can be asked, as an OpenAPI document (served at /openapi.json). Written out rather than derived: the
// routes validate nothing by schema. A test holds its paths and methods equal to what is routed.

import { BUNDLE_BYTES_MAX, LIMITS } from "#runtime/function/description.ts";
import { PAGE_LIMIT_DEFAULT, PAGE_LIMIT_MAX } from "../node/function-catalogue.ts";
import { BATCH_IN_FLIGHT_MAX, NDJSON_TYPE } from "./batch-route.ts";
import { BUNDLE_TYPE } from "./function-routes.ts";
import { schemaRef, schemas } from "./openapi-schemas.ts";

const json = (schema: unknown) => ({ "application/json": { schema } });
const inQuery = (name: string, description: string, schema: unknown = { type: "string" }) => ({
  name,
  in: "query",
  description,
  schema,
});
const inHeader = (name: string, description: string, schema: unknown) => ({ name, in: "header", description, schema });
const headerOf = (description: string, schema: unknown = { type: "string" }) => ({ description, schema });

const problem = {
  description: "An error; `code` says which.",
  content: { "application/problem+json": { schema: schemaRef("Problem") } },
};
const answers = (status: number, description: string, content?: unknown, headers?: unknown) => ({
  [status]: {
    description,
    ...(content === undefined ? {} : { content }),
    ...(headers === undefined ? {} : { headers }),
  },
  default: problem,
});

const text = { type: "string" };
const flag = { type: "boolean", default: false };

const functionName = { name: "name", in: "path", required: true, schema: schemaRef("FunctionName") };
const callParameters = [
  inQuery(
    "side",
    "Where to run; else as the plan says, else the function's preference, else compute.",
    schemaRef("Side"),
  ),
  inHeader("x-locus-side", "The same; outranks the query.", schemaRef("Side")),
  inQuery("version", "Run this version or none."),
  inHeader("x-locus-deadline-ms", "Wall clock, ms; the function's own limit holds in any case.", {
    type: "integer",
    minimum: 1,
    maximum: LIMITS.deadlineMs.max,
  }),
  inQuery("logs", "Carry the function's log lines in the reply.", flag),
  inHeader("x-locus-logs", "The same; outranks the query.", flag),
  inQuery("trace", "Tell what the call was at, and when.", flag),
  inHeader("x-locus-trace", "The same; outranks the query.", flag),
  inHeader("traceparent", "W3C Trace Context: the invocation's id begins with the trace's.", { type: "string" }),
];
const callHeaders = {
  "server-timing": headerOf("total, queue, cpu and wait, ms."),
  "x-locus-side": headerOf("Where it ran.", schemaRef("Side")),
  "x-locus-reason": headerOf("Why there.", schemaRef("SideReason")),
  "x-locus-version": headerOf("Which version ran."),
  "x-locus-invocation": headerOf("The invocation's id."),
  "x-locus-trace": {
    description: "Where it was asked for: what the call was at, and when.",
    content: json({ type: "array", items: schemaRef("TraceStep") }),
  },
  "x-locus-usage": headerOf(
    "operations, rounds, bytes-out, bytes-in, found, lock-us: a structured dictionary (RFC 9651).",
  ),
};

const deployment = {
  requestBody: {
    required: true,
    content: { [BUNDLE_TYPE]: { schema: { type: "string", maxLength: BUNDLE_BYTES_MAX } } },
  },
  responses: {
    201: { description: "Deployed; there was none of that name.", content: json(schemaRef("Deployment")) },
    ...answers(200, "Replaced, or unchanged.", json(schemaRef("Deployment"))),
  },
};

const functionPaths = {
  "/v1/functions": {
    get: {
      operationId: "listFunctions",
      summary: "What is deployed, a page at a time",
      parameters: [
        inQuery("after", "The page has functions whose names come after this one.", { type: "string" }),
        inQuery("limit", "Functions on the page, at most.", {
          type: "integer",
          minimum: 1,
          maximum: PAGE_LIMIT_MAX,
          default: PAGE_LIMIT_DEFAULT,
        }),
      ],
      responses: answers(
        200,
        "Functions, by name. `next` is the `after` of the next page, or null.",
        json({
          type: "object",
          properties: {
            functions: { type: "array", items: schemaRef("Function") },
            next: { type: ["string", "null"] },
          },
          required: ["functions", "next"],
        }),
      ),
    },
    post: {
      operationId: "deployUnderOwnName",
      summary: "Deploy a function under the name that its bundle gives it",
      ...deployment,
    },
  },
  "/v1/functions/{name}": {
    parameters: [functionName],
    get: {
      operationId: "getFunction",
      summary: "A function's description, or its bundle",
      parameters: [inQuery("bundle", `The bundle, as with \`accept: ${BUNDLE_TYPE}\`.`, flag)],
      responses: answers(200, "The description, or the bundle.", {
        ...json(schemaRef("Function")),
        [BUNDLE_TYPE]: { schema: { type: "string" } },
      }),
    },
    put: {
      operationId: "deployFunction",
      summary: "Deploy a function, in place of the one of that name",
      description:
        "The bundle defines the name, which must equal the path's. It is checked in a sandbox before anything is stored.",
      ...deployment,
    },
    delete: {
      operationId: "deleteFunction",
      summary: "Take a function away",
      responses: answers(204, "Gone."),
    },
  },
};

const callPaths = {
  "/v1/functions/{name}/invocations": {
    parameters: [functionName],
    post: {
      operationId: "invokeFunction",
      summary: "Run a function",
      parameters: [
        inQuery("key", "A Redis key that the call declares; may be repeated.", {
          type: "array",
          items: { type: "string" },
        }),
        ...callParameters,
      ],
      requestBody: { description: "`args`; none is null.", content: json({}) },
      responses: answers(
        200,
        "The result as the function returned it; with `logs`, an object of `result` and `logs`.",
        json({}),
        callHeaders,
      ),
    },
  },
  "/v1/functions/{name}/batch": {
    parameters: [functionName],
    post: {
      operationId: "invokeBatch",
      summary: "Run a function many times",
      description:
        "Lines of JSON both ways, answered in order while later ones still come in. A line that cannot be read gets an error line.",
      parameters: [
        ...callParameters,
        inQuery("usage", "Tell side, version, id, time and usage of each call.", flag),
        inQuery("in-flight", "Calls at once.", {
          type: "integer",
          minimum: 1,
          maximum: BATCH_IN_FLIGHT_MAX,
          default: BATCH_IN_FLIGHT_MAX,
        }),
      ],
      requestBody: { required: true, content: { [NDJSON_TYPE]: { schema: schemaRef("BatchCall") } } },
      responses: answers(200, "A line for each line.", { [NDJSON_TYPE]: { schema: schemaRef("BatchReply") } }),
    },
  },
};

const placementPaths = {
  "/v1/placement": {
    get: {
      operationId: "readPlacement",
      summary: "Where all functions run, and how busy that keeps each part",
      responses: answers(200, "The plan and what it was made from.", json(schemaRef("PlacementOverview"))),
    },
  },
  "/v1/placement/{name}": {
    parameters: [functionName],
    get: {
      operationId: "explainPlacement",
      summary: "Why a function is where it is",
      responses: answers(200, "Its place, the costs on both sides, the last moves.", json(schemaRef("Placement"))),
    },
    put: {
      operationId: "rulePlacement",
      summary: "Pin a function, weigh it, bound its 99th percentile; what is not said stays, and null takes back",
      requestBody: { required: true, content: json(schemaRef("PlacementRules")) },
      responses: answers(200, "What holds now.", json(schemaRef("PlacementRules"))),
    },
    delete: {
      operationId: "freePlacement",
      summary: "Take back all that was said of a function",
      responses: answers(204, "It is free."),
    },
  },
};

const instancePaths = {
  "/v1/nodes": {
    get: {
      operationId: "listNodes",
      summary: "The nodes that instances run on",
      responses: answers(
        200,
        "What each offers, and what of it is promised.",
        json({ type: "object", properties: { policy: text, nodes: { type: "array", items: schemaRef("Node") } } }),
      ),
    },
  },
  "/v1/instances": {
    get: {
      operationId: "listInstances",
      summary: "The instances of functions",
      parameters: [inQuery("function", "Of this function only. One that is not deployed is an error.")],
      responses: answers(
        200,
        "At most 10,000; `leftOut` tells of how many more there are.",
        json({
          type: "object",
          properties: {
            instances: { type: "array", items: schemaRef("Instance") },
            leftOut: { type: "integer", minimum: 0 },
            counts: { type: "object", additionalProperties: { type: "integer", minimum: 0 } },
            scales: {
              type: "array",
              items: schemaRef("FunctionScale"),
              description: "What was said of how many instances functions have; none of those of which nothing was.",
            },
          },
        }),
      ),
    },
  },
  "/v1/instances/{name}": {
    parameters: [functionName],
    put: {
      operationId: "scaleFunction",
      summary: "Say how many instances a function keeps, and has at most; what is not said stays",
      requestBody: { required: true, content: json(schemaRef("ScaleRule")) },
      responses: answers(200, "What holds now.", json(schemaRef("FunctionScale"))),
    },
    delete: {
      operationId: "unscaleFunction",
      summary: "Take back all that was said of a function's instances",
      responses: answers(204, "As many as are wanted."),
    },
  },
};

const operationPaths = {
  "/v1/stats": {
    get: {
      operationId: "readStats",
      summary: "What the calls of each function through this node came to, by side",
      parameters: [inQuery("function", "Of this function only. One that is not deployed is an error.")],
      responses: answers(
        200,
        "Since the node started; none of functions that were not called.",
        json({ type: "object", properties: { functions: { type: "array", items: schemaRef("FunctionStats") } } }),
      ),
    },
  },
  "/v1/logs": {
    get: {
      operationId: "readLogs",
      summary: "The last lines of this node's functions",
      parameters: [
        inQuery("source", "Only lines of this function, or of this part of locus. Unknown ones are an error."),
        inQuery("follow", "Stay, and tell lines as they come. An empty line is a sign of life.", flag),
      ],
      responses: answers(200, "Lines, oldest first.", { [NDJSON_TYPE]: { schema: schemaRef("LogLine") } }),
    },
  },
  "/healthz": {
    get: {
      operationId: "isLive",
      summary: "Whether the process answers",
      responses: answers(200, "It does.", json({ type: "object", properties: { status: { const: "live" } } })),
    },
  },
  "/readyz": {
    get: {
      operationId: "isReady",
      summary: "Whether the node can take calls, part by part",
      responses: {
        503: { description: "It cannot; the parts say why.", content: json(schemaRef("Health")) },
        ...answers(200, "It can.", json(schemaRef("Health"))),
      },
    },
  },
  "/metrics": {
    get: {
      operationId: "readMetrics",
      summary: "Counters, for Prometheus",
      responses: answers(200, "The exposition format.", { "text/plain": { schema: { type: "string" } } }),
    },
  },
  "/openapi.json": {
    get: {
      operationId: "readOpenApi",
      summary: "This document",
      responses: answers(200, "An OpenAPI document.", json({ type: "object" })),
    },
  },
};

export const openApiDocument = {
  openapi: "3.1.0",
  info: {
    title: "locus",
    version: "1",
    summary: "Functions that run where they are cheapest.",
    license: { name: "Apache-2.0", identifier: "Apache-2.0" },
  },
  paths: { ...functionPaths, ...callPaths, ...placementPaths, ...instancePaths, ...operationPaths },
  components: { schemas },
};
