import { expect, it } from "vitest";
import { examineConfinement } from "./doctor-build.ts";

const ALL = ["oom", "network", "ipc", "user", "capabilities", "calls", "threads"];
const statuses = (lacking: readonly string[], isRoot = false): readonly string[] =>
  examineConfinement(
    ALL.filter((part) => !lacking.includes(part)),
    isRoot,
  ).map(({ status }) => status);

it("takes a confinement without namespaces for weaker, and one without its filters for none", () => {
  expect(statuses([])).toEqual(["ok"]);
  expect(statuses(["network", "ipc"])).toEqual(["ok", "warning"]);
  expect(statuses(["threads"])).toEqual(["ok", "missing"]);
});

it("asks for an unprivileged user only of root", () => {
  expect(statuses(["user"])).toEqual(["ok"]);
  expect(statuses(["user"], true)).toEqual(["ok", "warning"]);
});
