// What operators ask a node: whether it lives, whether it is ready, what it has counted, what it can be asked.

import type { FastifyInstance } from "fastify";

import type { Health } from "../node/health.ts";
import { openApiDocument } from "./openapi.ts";

/** The exposition format of Prometheus, as prom-client writes it. */
const METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8";

export interface Operations {
  readonly health: { check(): Promise<Health> };
  readonly metrics: { text(): Promise<string> };
}

export const addOperationRoutes = (app: FastifyInstance, { health, metrics }: Operations): void => {
  const openApi = JSON.stringify(openApiDocument);
  app.get("/healthz", async () => ({ status: "live" }));
  app.get("/readyz", async (_request, reply) => {
    const state = await health.check();
    return reply.code(state.ready ? 200 : 503).send(state);
  });
  app.get("/metrics", async (_request, reply) => reply.header("content-type", METRICS_TYPE).send(await metrics.text()));
  app.get("/openapi.json", async (_request, reply) =>
    reply.header("content-type", "application/json; charset=utf-8").send(openApi),
  );
};
