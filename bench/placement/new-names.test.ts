import { expect, test } from "vitest";
import { Lives, type NewNames } from "./new-names.ts";

/** Of `a` and `b`, for so many turns each, and what becomes of them. */
function livesOf(turnsEach: number) {
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
    turnsEach,
  );
  const take = async (turns: number): Promise<void> => {
    for (let turn = 0; turn < turns; turn++) {
      const { names, isNew } = await lives.next();
      told.push(`${isNew ? "new" : "old"} ${[...names.values()].join()}`);
    }
  };
  return { lives, take, told };
}

test("functions have other names after so many turns, and give theirs up before, and in the end", async () => {
  const { lives, take, told } = livesOf(2);
  await take(5);
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

test("what goes on after an end has new ones for as many turns as were left", async () => {
  const { lives, take, told } = livesOf(3);
  await take(1);
  await lives.end();
  await take(3);
  expect(told).toEqual([
    "new a-1,b-1",
    "without a-1,b-1",
    "new a-2,b-2",
    "old a-2,b-2",
    "without a-2,b-2",
    "new a-3,b-3",
  ]);
});
