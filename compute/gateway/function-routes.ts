// /v1/functions: what is deployed, one function's description or bundle, deploying one and taking it away.

import type { FastifyInstance, FastifyReply } from "fastify";

import { LocusError } from "#runtime/errors.ts";
import { BUNDLE_BYTES_MAX } from "#runtime/function/description.ts";
import { PAGE_LIMIT_DEFAULT, PAGE_LIMIT_MAX, type FunctionCatalogue } from "../node/function-catalogue.ts";
import { bytesBody } from "./body.ts";
import { flagOf, integerOf, refuseUnknown, single, type Query } from "./call-request.ts";

export const BUNDLE_TYPE = "application/javascript";
const BUNDLE_TYPES = [BUNDLE_TYPE, "text/javascript"];

interface FunctionRequest {
  readonly Params: { readonly name: string };
  readonly Querystring: Query;
}

interface BundleRequest {
  readonly Body: Buffer | undefined;
}

/** What the check says of a source that no bundler has seen: a bundle of one is told by the author's files, and imports nothing. */
const UNBUNDLED = /^<function>:\d+:\d+: (SyntaxError: |it imports )/;

const QUERY: ReadonlySet<string> = new Set(["bundle"]);
const PAGE_QUERY: ReadonlySet<string> = new Set(["after", "limit"]);

export const addFunctionRoutes = (app: FastifyInstance, catalogue: FunctionCatalogue): void => {
  app.addContentTypeParser(BUNDLE_TYPES, bytesBody({ bytesMax: BUNDLE_BYTES_MAX, tooLarge: "BUNDLE_TOO_LARGE" }));

  app.get<{ readonly Querystring: Query }>("/v1/functions", async ({ query }) => {
    refuseUnknown(query, PAGE_QUERY);
    const limit = integerOf("limit", single(query, "limit") ?? `${PAGE_LIMIT_DEFAULT}`, PAGE_LIMIT_MAX);
    return catalogue.list(single(query, "after"), limit);
  });

  app.get<FunctionRequest>("/v1/functions/:name", async (request, reply) => {
    const { query, headers } = request;
    refuseUnknown(query, QUERY);
    const asked = flagOf("bundle", single(query, "bundle")) || headers.accept === BUNDLE_TYPE;
    reply.header("vary", "accept");
    if (!asked) return catalogue.describe(request.params.name);
    const bundle = await catalogue.bundle(request.params.name);
    return reply.header("content-type", `${BUNDLE_TYPE}; charset=utf-8`).send(bundle);
  });

  const deploy = async (
    reply: FastifyReply,
    name: string | null,
    bundle: Buffer | undefined,
  ): Promise<FastifyReply> => {
    if (bundle === undefined || bundle.length === 0) {
      throw new LocusError("REQUEST_INVALID", "the body is empty; that of a deployment is the bundle");
    }
    const { description, previousVersion } = await catalogue.deploy(name, bundle).catch((error: unknown) => {
      throw toldToBundle(error);
    });
    reply.header("location", `/v1/functions/${description.name}`);
    return reply.code(previousVersion === null ? 201 : 200).send({ ...description, previousVersion });
  };

  const takesBundle = { config: { takes: BUNDLE_TYPES } };
  app.put<FunctionRequest & BundleRequest>("/v1/functions/:name", takesBundle, async (request, reply) =>
    deploy(reply, request.params.name, request.body),
  );

  app.post<BundleRequest>("/v1/functions", takesBundle, async (request, reply) => deploy(reply, null, request.body));

  app.delete<FunctionRequest>("/v1/functions/:name", async (request, reply) => {
    await catalogue.remove(request.params.name);
    return reply.code(204).send();
  });
};

const toldToBundle = (error: unknown): unknown => {
  if (!(error instanceof LocusError && UNBUNDLED.test(error.message))) return error;
  const remedy =
    "The body must be a bundled ES module; `locus deploy` makes one of TypeScript or JavaScript, and sends it.";
  return new LocusError(error.code, error.message, { remedy, cause: error });
};
