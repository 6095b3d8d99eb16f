import { Validator } from "@seriousme/openapi-schema-validator";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { startGateway, type GatewayFixture } from "./gateway-fixture.ts";

describe("GET /openapi.json", () => {
  let gateway: GatewayFixture;
  let document: { readonly paths: Readonly<Record<string, Readonly<Record<string, unknown>>>> };

  beforeAll(async () => {
    gateway = await startGateway({});
    document = (await (await fetch(`${gateway.url}/openapi.json`)).json()) as typeof document;
  });
  afterAll(() => gateway.close());

  it("is a valid OpenAPI document", async () => {
    expect(await new Validator().validate(document)).toMatchObject({ valid: true });
  });

  it("describes every route and no other", async () => {
    const described = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.keys(methods)
        .filter((method) => method !== "parameters")
        .map((method) => `${method.toUpperCase()} ${path}`),
    );
    const routed = Object.keys(document.paths).map(async (path) => {
      const response = await fetch(gateway.url + path.replace("{name}", "any"), { method: "OPTIONS" });
      const allowed = (response.headers.get("allow") ?? "").split(", ").filter((method) => method !== "HEAD");
      return allowed.map((method) => `${method} ${path}`);
    });
    expect((await Promise.all(routed)).flat().toSorted()).toEqual(described.toSorted());
    // The other direction: nothing is routed that has no path here.
    const tree = gateway.app.printRoutes({ commonPrefix: false });
    const leaves = [...tree.matchAll(/\((?:GET|POST|PUT|DELETE)/g)];
    expect(leaves).toHaveLength(Object.keys(document.paths).length);
  });
});
