import { describe, expect, it } from "vitest";

import { chooseSide, isSide, type SideQuestion } from "./choose-side.ts";

const ask = (question: Partial<SideQuestion>) =>
  chooseSide({ requested: null, preferred: null, capabilities: [], ...question });

describe("chooseSide", () => {
  it.each([
    ["runs at compute where nobody says anything", {}, { side: "compute", reason: "default" }],
    ["follows the author's preference", { preferred: "storage" }, { side: "storage", reason: "preferred" }],
    [
      "puts the caller's wish above the author's",
      { requested: "compute", preferred: "storage" },
      { side: "compute", reason: "requested" },
    ],
    [
      "puts a capability above the author's preference",
      { preferred: "storage", capabilities: ["fetch"] },
      { side: "compute", reason: "capability" },
    ],
    [
      "takes the wish for the side that has the capability",
      { requested: "compute", capabilities: ["fetch"] },
      { side: "compute", reason: "requested" },
    ],
  ] as const)("%s", (_title, question, choice) => {
    expect(ask(question)).toEqual(choice);
  });

  it("refuses the side that lacks a declared capability, and says which", () => {
    const choice = ask({ requested: "storage", capabilities: ["fetch"] });
    expect(choice.side).toBeNull();
    expect(choice.reason).toContain('"fetch" exists only at compute');
  });

  it("refuses a capability that no side has", () => {
    expect(ask({ capabilities: ["fly"] })).toEqual({ side: null, reason: 'no side has the capability "fly"' });
  });
});

describe("isSide", () => {
  it("knows the two sides and nothing else", () => {
    expect(["compute", "storage", "Compute", "", "__proto__"].filter(isSide)).toEqual(["compute", "storage"]);
  });
});
