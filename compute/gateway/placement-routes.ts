// /v1/placement: where functions run and why, and what people have to say about it.

import type { FastifyInstance } from "fastify";

import { LocusError } from "#runtime/errors.ts";
import { isSide } from "#runtime/placement/choose-side.ts";
import { FREE_RULES } from "#runtime/placement/situation.ts";
import type { PlacementOverview, PlacementSummary } from "../placement/answers.ts";
import { P99_MS_RANGE, type Range, type StoredRules, SHARE_RANGE, WEIGHT_RANGE } from "../placement/stored-rules.ts";
import type { FunctionCatalogue } from "../node/function-catalogue.ts";
import { refuseUnknown, type Query } from "./call-request.ts";
import type { Operations } from "./operation-routes.ts";
import { RULE_TYPE, ruleMembers, takeRuleBodies } from "./rule-body.ts";

/** Who knows of placement. */
export interface PlacementDesk {
  overview(): Promise<PlacementOverview>;
  explain(name: string): Promise<PlacementSummary>;
  /** What is not said of it stays as it was; null takes back all. What holds from now on. */
  rule(name: string, change: Partial<StoredRules> | null): Promise<StoredRules>;
}

/** What was said of a function, as a reply. */
export interface PlacementRules {
  readonly function: string;
  /** The share at storage; null: it is free. */
  readonly pin: number | null;
  readonly weight: number;
  readonly p99UnderMs: number | null;
}

interface FunctionRequest {
  readonly Params: { readonly name: string };
  readonly Querystring: Query;
  readonly Body: string | undefined;
}

const NO_QUERY: ReadonlySet<string> = new Set();
const SHARES = { compute: 0, storage: 1 } as const;

/** `desk` null: placement is as functions declare it. */
export const addPlacementRoutes = (
  app: FastifyInstance,
  desk: PlacementDesk | null,
  { catalogue, health }: { readonly catalogue: FunctionCatalogue } & Pick<Operations, "health">,
): void => {
  takeRuleBodies(app);
  const open = (query: Query): PlacementDesk => {
    refuseUnknown(query, NO_QUERY);
    if (desk !== null) return desk;
    throw new LocusError(
      "REQUEST_INVALID",
      "this node runs functions where they declare it, and decides nothing (LOCUS_PLACEMENT is declared)",
    );
  };

  app.get<{ readonly Querystring: Query }>("/v1/placement", async ({ query }) => open(query).overview());

  app.get<FunctionRequest>("/v1/placement/:name", async ({ params: { name }, query }) => {
    const placement = open(query);
    await catalogue.expect(name);
    return { ...(await placement.explain(name)), warnings: await health.warnings() };
  });

  app.put<FunctionRequest>(
    "/v1/placement/:name",
    { config: { takes: [RULE_TYPE] } },
    async ({ params: { name }, query, body }) => {
      const placement = open(query);
      const change = changeOf(body ?? "");
      await catalogue.expect(name);
      return rulesReply(name, await placement.rule(name, change));
    },
  );

  app.delete<FunctionRequest>("/v1/placement/:name", async ({ params: { name }, query }, reply) => {
    const placement = open(query);
    await catalogue.expect(name);
    await placement.rule(name, null);
    return reply.code(204).send();
  });
};

const rulesReply = (name: string, { pinnedShare, weight, p99UnderUs }: StoredRules): PlacementRules => ({
  function: name,
  pin: pinnedShare,
  weight,
  p99UnderMs: p99UnderUs === null ? null : p99UnderUs / 1e3,
});

/** Throws REQUEST_INVALID. */
function changeOf(text: string): Partial<StoredRules> {
  const { pin, weight, p99UnderMs } = ruleMembers(text, ["pin", "weight", "p99UnderMs"], '{"pin": "storage"}');
  return {
    ...(pin === undefined ? {} : { pinnedShare: pin === null ? null : shareOf(pin) }),
    ...(weight === undefined
      ? {}
      : { weight: weight === null ? FREE_RULES.weight : numberOf("weight", weight, WEIGHT_RANGE) }),
    ...(p99UnderMs === undefined ? {} : { p99UnderUs: p99UnderMs === null ? null : 1e3 * p99MsOf(p99UnderMs) }),
  };
}

const p99MsOf = (value: unknown): number => numberOf("p99UnderMs", value, P99_MS_RANGE);

const shareOf = (pin: unknown): number =>
  typeof pin === "string" && isSide(pin)
    ? SHARES[pin]
    : numberOf("pin (compute, storage, or the share at storage)", pin, SHARE_RANGE);

const numberOf = (name: string, value: unknown, { min, max }: Range): number => {
  if (typeof value === "number" && value >= min && value <= max) return value;
  throw new LocusError("REQUEST_INVALID", `${name} is ${JSON.stringify(value)}, no number from ${min} to ${max}`);
};
