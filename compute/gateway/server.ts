// The gateway: HTTP in front of a node. Wires the routes, and holds what is true for all of them: bounds in time and
// size, and errors as problem documents. Nothing is logged per request; counters tell.

import type { IncomingHttpHeaders } from "node:http";

import { fastify, type FastifyInstance, type FastifyReply } from "fastify";
import type { Logger } from "pino";

import { LIMITS } from "#runtime/function/description.ts";
import type { FunctionCatalogue } from "../node/function-catalogue.ts";
import type { Invoker } from "../node/invoker.ts";
import type { LogBuffer } from "../node/log-buffer.ts";
import { addBatchRoute } from "./batch-route.ts";
import { clientErrors, refuseExpectation } from "./client-error.ts";
import { addFunctionRoutes } from "./function-routes.ts";
import { addInstanceRoutes, type InstanceDesk } from "./instance-routes.ts";
import { addInvocationRoute } from "./invocation-route.ts";
import { addLogRoute } from "./log-route.ts";
import { AllowedMethods } from "./method-not-allowed.ts";
import { addOperationRoutes, type Operations } from "./operation-routes.ts";
import { addPlacementRoutes, type PlacementDesk } from "./placement-routes.ts";
import { problemOf, problemOfError, sendProblem } from "./problem.ts";
import { PATH_PART_LENGTH_MAX } from "./request-fault.ts";

/** What the gateway stands in front of. */
export interface GatewayParts extends Operations {
  readonly invoker: Invoker;
  readonly catalogue: FunctionCatalogue;
  /** null: placement is as functions declare it. */
  readonly placement: PlacementDesk | null;
  /** null: nobody schedules instances. */
  readonly capacity: InstanceDesk | null;
  readonly logs: LogBuffer;
  readonly log: Pick<Logger, "error">;
}

export interface GatewayLimits {
  /** Bytes of an invocation's body, or of one line of a batch. */
  readonly bodyBytesMax: number;
  /** Client connections at once; one more is closed. */
  readonly connectionsMax: number;
}

/** From the first byte of a request to the end of its headers. Chosen, not measured. */
const HEADERS_TIMEOUT_MS = 10_000;
/** Bytes of path and headers. */
const HEADERS_BYTES_MAX = 16 * 1024;
/** A connection on which nothing moves for so long is closed: longer than the longest call, which is silent. */
const IDLE_TIMEOUT_MS = LIMITS.deadlineMs.max + 10_000;
/** How long a client may keep a connection without a request; longer than the 60 s of common load balancers. */
const KEEP_ALIVE_TIMEOUT_MS = 72_000;
/** How often Node looks for clients past HEADERS_TIMEOUT_MS: it does so where nobody is connected, too. */
const TIMEOUT_CHECK_MS = 2_000;

const hasBody = ({ "transfer-encoding": encoding, "content-length": length = "0" }: IncomingHttpHeaders): boolean =>
  encoding !== undefined || length !== "0";

export type Gateway = FastifyInstance;

/** Not listening yet; whoever makes it closes it. */
export const createGateway = async (parts: GatewayParts, limits: GatewayLimits): Promise<Gateway> => {
  const app = fastify({
    logger: false,
    http: {
      headersTimeout: HEADERS_TIMEOUT_MS,
      maxHeaderSize: HEADERS_BYTES_MAX,
      connectionsCheckingInterval: TIMEOUT_CHECK_MS,
    },
    connectionTimeout: IDLE_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
    // A connection that is still used while the node drains is served, and told to close.
    return503OnClosing: false,
    clientErrorHandler: clientErrors({ headersTimeoutMs: HEADERS_TIMEOUT_MS, headersBytesMax: HEADERS_BYTES_MAX }),
    routerOptions: { maxParamLength: PATH_PART_LENGTH_MAX },
    frameworkErrors: (error, request, reply) => void sendProblem(reply, problemOfError(error, request)),
  });
  app.server.maxConnections = limits.connectionsMax;
  app.server.on("checkExpectation", refuseExpectation);
  app.removeAllContentTypeParsers();
  app.setErrorHandler((error, request, reply) => {
    const problem = problemOfError(error, request);
    if (problem.code === "INTERNAL") parts.log.error({ err: error, url: request.url }, "the gateway failed");
    return sendProblem(reply, problem);
  });
  // Some clients name a content type on every request: without a body it means nothing, and no parser would take it.
  app.addHook("onRequest", async ({ method, headers }) => {
    if (method === "DELETE" && !hasBody(headers)) delete headers["content-type"];
  });
  app.setNotFoundHandler((request, reply: FastifyReply) =>
    sendProblem(reply, problemOf("REQUEST_INVALID", `there is nothing at ${request.url}`, { status: 404 })),
  );

  const methods = new AllowedMethods();
  methods.watch(app);
  // Each group has content types of its own, hence a scope of its own.
  await app.register(async (scope) => addInvocationRoute(scope, parts.invoker, limits.bodyBytesMax));
  await app.register(async (scope) => addBatchRoute(scope, parts.invoker, limits.bodyBytesMax));
  await app.register(async (scope) => addFunctionRoutes(scope, parts.catalogue));
  await app.register(async (scope) => addPlacementRoutes(scope, parts.placement, parts));
  await app.register(async (scope) => addInstanceRoutes(scope, parts.capacity, parts.catalogue));
  await app.register(async (scope) => addLogRoute(scope, parts.logs, parts.catalogue));
  await app.register(async (scope) => addOperationRoutes(scope, parts, parts.catalogue));
  methods.refuseOthers(app);
  return app;
};
