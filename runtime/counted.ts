// A number with its noun, for people: "1 round", "2 rounds". All texts that count something get it from here.

/** `amount` may be text already: "1.5", "1000". `many` where it is more than an s. */
export const counted = (amount: number | string, one: string, many = `${one}s`): string =>
  `${amount} ${String(amount) === "1" ? one : many}`;
