import { expect, test } from "vitest";
import { Lives, type NewNames } from "./new-names.ts";

test("functions have other names after so many turns, and give theirs up before, and in the end", async () => {
  const told: string[] = [];
  let given = 0;
  const lives = new Lives(
    {
      giveNewNames: async (functions) => {
        given += 1;
        return new Map(functions.map((name) => [name, `${name}-${given}`]));
      },
      giveUpNames: async (names: NewNames) => void told.push(`without ${[...names.values()].join()}`),
    },
    ["a", "b"],
    2,
  );
  for (let turn = 0; turn < 5; turn++) {
    const { names, isNew } = await lives.next();
    told.push(`${isNew ? "new" : "old"} ${[...names.values()].join()}`);
  }
  await lives.end();
  await lives.end();
  expect(told).toEqual([
    "new a-1,b-1",
    "old a-1,b-1",
    "without a-1,b-1",
    "new a-2,b-2",
    "old a-2,b-2",
    "without a-2,b-2",
    "new a-3,b-3",
    "without a-3,b-3",
  ]);
});
