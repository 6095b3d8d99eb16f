import { describe, expect, it } from "vitest";

import { chooseSide, isSide, type SideQuestion } from "./choose-side.ts";
import { PushBackBudget } from "./push-back.ts";

const BUDGET = new PushBackBudget();

const ask = (question: Partial<SideQuestion>) =>
  chooseSide({ requested: null, planned: null, preferred: null, ...question });

describe("chooseSide", () => {
  it.each([
    [
      "runs at compute where nobody says anything",
      {},
      { side: "compute", reason: "default", otherwise: null, backCpuUs: 0, overflows: false, budget: null },
    ],
    [
      "follows the author's preference, and has compute behind storage",
      { preferred: "storage" },
      { side: "storage", reason: "preferred", otherwise: "compute", backCpuUs: 0, overflows: false, budget: null },
    ],
    [
      "has nothing behind compute, preferred or not",
      { preferred: "compute" },
      { side: "compute", reason: "preferred", otherwise: null, backCpuUs: 0, overflows: false, budget: null },
    ],
    [
      "puts the plan above the author's preference, and compute behind it as well",
      {
        planned: { side: "storage", reason: "probe", backCpuUs: 20, overflows: false, budget: BUDGET },
        preferred: "compute",
      },
      { side: "storage", reason: "probe", otherwise: "compute", backCpuUs: 20, overflows: false, budget: BUDGET },
    ],
    [
      "puts the caller's wish above the plan and the author's, with nothing behind it",
      {
        requested: "storage",
        planned: { side: "compute", reason: "plan", backCpuUs: 0, overflows: false, budget: BUDGET },
        preferred: "compute",
      },
      { side: "storage", reason: "asked", otherwise: null, backCpuUs: 0, overflows: false, budget: null },
    ],
    [
      "takes a wish at its word where the author prefers the same",
      { requested: "storage", preferred: "storage" },
      { side: "storage", reason: "asked", otherwise: null, backCpuUs: 0, overflows: false, budget: null },
    ],
  ] as const)("%s", (_title, question, choice) => {
    expect(ask(question)).toEqual(choice);
  });
});

describe("isSide", () => {
  it("knows the two sides and nothing else", () => {
    expect(["compute", "storage", "Compute", "", "__proto__"].filter(isSide)).toEqual(["compute", "storage"]);
  });
});
