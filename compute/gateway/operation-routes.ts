// What operators ask a node: whether it lives, whether it is ready, what it has counted, what it can be asked.

import type { FastifyInstance } from "fastify";

import { EXPOSITION_TYPE } from "#runtime/exposition.ts";
import type { FunctionCatalogue } from "../node/function-catalogue.ts";
import type { Health } from "../node/health.ts";
import type { FunctionStats } from "../node/metrics.ts";
import { refuseUnknown, single, type Query } from "./call-request.ts";
import { openApiDocument } from "./openapi.ts";

export interface Operations {
  readonly health: { check(): Promise<Health>; warnings(): Promise<readonly string[]> };
  readonly metrics: { text(): string; stats(name: string | null): readonly FunctionStats[] };
}

const STATS_QUERY: ReadonlySet<string> = new Set(["function"]);

export const addOperationRoutes = (
  app: FastifyInstance,
  { health, metrics }: Operations,
  catalogue: Pick<FunctionCatalogue, "expect">,
): void => {
  const openApi = JSON.stringify(openApiDocument);
  app.get("/healthz", async () => ({ status: "live" }));
  app.get("/readyz", async (_request, reply) => {
    const state = await health.check();
    return reply.code(state.ready ? 200 : 503).send(state);
  });
  app.get("/metrics", async (_request, reply) => reply.header("content-type", EXPOSITION_TYPE).send(metrics.text()));
  app.get<{ readonly Querystring: Query }>("/v1/stats", async ({ query }) => {
    refuseUnknown(query, STATS_QUERY);
    const name = single(query, "function") ?? null;
    if (name !== null) await catalogue.expect(name);
    return { functions: metrics.stats(name) };
  });
  app.get("/openapi.json", async (_request, reply) =>
    reply.header("content-type", "application/json; charset=utf-8").send(openApi),
  );
};
