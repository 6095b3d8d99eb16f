// JSON pointers (RFC 6901): where something is in a JSON value.

/** Of the member `name` of what `pointer` leads to. */
export const memberPointer = (pointer: string, name: string): string =>
  `${pointer}/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`;

/** The names on the way from the root, one after another; none for the root itself. */
export const stepsOf = (pointer: string): readonly string[] =>
  pointer
    .split("/")
    .slice(1)
    .map((step) => step.replaceAll("~1", "/").replaceAll("~0", "~"));
