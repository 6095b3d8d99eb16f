// What somebody may have meant who named what is not there. (commander does this for its own commands and options, and keeps how.)

/** Edits at most, and as a part of the longer name: more of them make any name of any other. commander's own bounds. */
const EDITS_MAX = 3;
const EDITED_PART_MAX = 0.6;

/** Those of `names` that are fewest edits away from `name`; none where all are too far. */
export const similarNames = (name: string, names: readonly string[]): readonly string[] => {
  const near = names
    .map((one) => ({ one, edits: editsBetween(name, one) }))
    .filter(({ one, edits }) => edits <= EDITS_MAX && edits < EDITED_PART_MAX * Math.max(name.length, one.length));
  const fewest = Math.min(...near.map(({ edits }) => edits));
  return near.filter(({ edits }) => edits === fewest).map(({ one }) => one);
};

/** As a question with a space behind it, to begin a remedy with; empty where there is nothing to ask. */
export const didYouMean = (names: readonly string[]): string =>
  names.length === 0 ? "" : `Did you mean ${names.join(" or ")}? `;

/** Letters put in, left out or replaced (Levenshtein, 1966), row by row. */
const editsBetween = (one: string, other: string): number => {
  let above = Array.from({ length: other.length + 1 }, (_, at) => at);
  for (let row = 0; row < one.length; row += 1) {
    const here = [row + 1];
    for (let at = 0; at < other.length; at += 1) {
      const replaced = above[at]! + (one[row] === other[at] ? 0 : 1);
      here.push(Math.min(replaced, above[at + 1]! + 1, here[at]! + 1));
    }
    above = here;
  }
  return above[other.length]!;
};
