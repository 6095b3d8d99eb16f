// The order in which test files begin: those that go on for minutes come first, or one of them would go on alone at the end. The others
// come as vitest has them: by what it knows of an earlier run, else by size.

import { BaseSequencer, type TestSpecification } from "vitest/node";

/** Each is a minute and more: in turn those that wait for most of it, and those that a core is busy with (the compiler, above all). */
const LONGEST = [
  "test/containers/containers.test.ts",
  "test/soak/soak.test.ts",
  "test/storage-module/handed-calls.test.ts",
  "test/benchmarks.test.ts",
  "test/native/threads.test.ts",
  "test/compute/reallocation.test.ts",
  "test/fuzz/fuzz.test.ts",
  "test/compute/capacity.test.ts",
  "test/sandbox/loading.test.ts",
  "test/compute/json.test.ts",
  "test/sandbox/memory.test.ts",
  "test/scheduler/contest-2020-programs.test.ts",
];

export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    // oxlint-disable-next-line unicorn/no-array-sort -- it is no array's
    const sorted = await super.sort(files);
    return sorted.toSorted((a, b) => rankOf(a) - rankOf(b));
  }
}

function rankOf({ moduleId }: TestSpecification): number {
  const rank = LONGEST.findIndex((file) => moduleId.endsWith(`/${file}`));
  return rank === -1 ? LONGEST.length : rank;
}
