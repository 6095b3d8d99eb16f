import { expect, test } from "vitest";
import { sharedLayout, splitLayout, usableCores } from "./cores.ts";
import { startWitness } from "./witness.ts";

test("a witness tells how slow the cores are", async () => {
  await using resources = new AsyncDisposableStack();
  const cores = usableCores().slice(0, 2);
  const witness = await startWitness({ ...sharedLayout(cores), pinned: true }, resources);
  expect(await witness?.slowdown(1_000)).toBeGreaterThan(0);
});

test("where nothing is held to a core, or to too many of them, there is none", async () => {
  await using resources = new AsyncDisposableStack();
  expect(await startWitness(sharedLayout([0, 1]), resources)).toBeNull();
  expect(await startWitness(splitLayout([0, 1, 2, 3, 4, 5]), resources)).toBeNull();
});
