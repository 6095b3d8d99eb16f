import { expect, it } from "vitest";
import { startGateway } from "../gateway/gateway-fixture.ts";
import { examineNode } from "./doctor-node.ts";

it("says that functions lack CPU, and what to do about it", async () => {
  const lack = "functions on this node lack CPU: within 0.50 s …";
  const gateway = await startGateway({}, { warnings: [lack] });
  const findings = await examineNode({ url: gateway.url, from: "LOCUS_URL", isNamed: true }, "127.0.0.1", 0);
  await gateway.close();
  expect(findings.filter(({ status }) => status !== "ok")).toEqual([
    { part: "node", about: "CPU", status: "warning", found: lack, mend: expect.stringContaining("more cores") },
  ]);
});
