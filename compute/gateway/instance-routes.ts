// /v1/nodes and /v1/instances: what the scheduler has, and what people have to say about how many instances a function has.

import type { FastifyInstance } from "fastify";
import { LocusError } from "#runtime/errors.ts";
import type { CapacityOverview } from "#scheduler/service/capacity-overview.ts";
import { SCALED_INSTANCES_MAX } from "#scheduler/grpc/beat-bounds.ts";
import type { ScaleRule } from "../capacity/scale-rules.ts";
import type { FunctionCatalogue } from "../node/function-catalogue.ts";
import { refuseUnknown, single, type Query } from "./call-request.ts";
import { RULE_TYPE, ruleMembers, takeRuleBodies } from "./rule-body.ts";

/** Who knows of instances. */
export interface InstanceDesk {
  /** Rejects with PEER_UNAVAILABLE where nobody schedules now. */
  overview(): Promise<CapacityOverview>;
  /** What was said, by function. Rejects with REDIS_UNAVAILABLE and its kin. */
  scales(): Promise<ReadonlyMap<string, ScaleRule>>;
  /** What is not said stays as it was; null takes back all. What holds from now on. */
  scale(name: string, change: Partial<ScaleRule> | null): Promise<ScaleRule>;
}

/** What was said of one function, as a reply. */
export interface NamedScaleRule extends ScaleRule {
  readonly function: string;
}

interface FunctionRequest {
  readonly Params: { readonly name: string };
  readonly Body: string | undefined;
}

const INSTANCES_QUERY: ReadonlySet<string> = new Set(["function"]);

/** `desk` null: nobody schedules instances. */
export const addInstanceRoutes = (
  app: FastifyInstance,
  desk: InstanceDesk | null,
  catalogue: Pick<FunctionCatalogue, "expect">,
): void => {
  takeRuleBodies(app);
  const open = (): InstanceDesk => {
    if (desk !== null) return desk;
    throw new LocusError("REQUEST_INVALID", "this node's calls have no instances (LOCUS_SCHEDULER is off, or contest)");
  };

  app.get("/v1/nodes", async () => {
    const { policy, nodes } = await open().overview();
    return { policy, nodes };
  });

  app.get<{ readonly Querystring: Query }>("/v1/instances", async ({ query }) => {
    refuseUnknown(query, INSTANCES_QUERY);
    const name = single(query, "function") ?? null;
    const instanceDesk = open();
    if (name !== null) await catalogue.expect(name);
    const [{ instances, instancesLeftOut, counts }, said] = await Promise.all([
      instanceDesk.overview(),
      instanceDesk.scales(),
    ]);
    const isAsked = (one: { readonly function: string }): boolean => name === null || one.function === name;
    return {
      instances: instances.filter(isAsked),
      leftOut: instancesLeftOut,
      counts,
      scales: Array.from(said, ([one, rule]): NamedScaleRule => ({ function: one, ...rule })).filter(isAsked),
    };
  });

  app.put<FunctionRequest>(
    "/v1/instances/:name",
    { config: { takes: [RULE_TYPE] } },
    async ({ params: { name }, body }) => {
      const instanceDesk = open();
      const change = changeOf(body ?? "");
      await catalogue.expect(name);
      return { function: name, ...(await instanceDesk.scale(name, change)) } satisfies NamedScaleRule;
    },
  );

  app.delete<FunctionRequest>("/v1/instances/:name", async ({ params: { name } }, reply) => {
    const instanceDesk = open();
    await catalogue.expect(name);
    await instanceDesk.scale(name, null);
    return reply.code(204).send();
  });
};

/** Throws REQUEST_INVALID. */
function changeOf(text: string): Partial<ScaleRule> {
  const { min, max } = ruleMembers(text, ["min", "max"], '{"min": 2}');
  return {
    ...(min === undefined ? {} : { min: countOf("min", min, 0) }),
    ...(max === undefined ? {} : { max: max === null ? null : countOf("max", max, 1) }),
  };
}

const countOf = (name: string, value: unknown, least: number): number => {
  if (Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= SCALED_INSTANCES_MAX) {
    return value as number;
  }
  throw new LocusError(
    "REQUEST_INVALID",
    `${name} is ${JSON.stringify(value)}, no whole number from ${least} to ${SCALED_INSTANCES_MAX}`,
  );
};
