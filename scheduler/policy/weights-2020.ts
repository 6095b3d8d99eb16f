// What the 2020 contest's score weighs response times and node time by. That contest told its weights late, so they are a setting.

export interface Weights2020 {
  readonly responseTime: number;
  readonly nodeDuration: number;
}

/** Of the contest's own example. */
export const EVEN_WEIGHTS: Weights2020 = { responseTime: 0.5, nodeDuration: 0.5 };

/** As a message says what a text must be. */
export const WEIGHTS_FORM = "two numbers above 0 that come to 1, such as 0.75/0.25";

/** `response time/node time`; null where it is not of that form. */
export function weightsIn(text: string): Weights2020 | null {
  const [, first, second] = /^(\d+(?:\.\d+)?)\/(\d+(?:\.\d+)?)$/.exec(text) ?? [];
  const [responseTime, nodeDuration] = [Number(first), Number(second)];
  const isWhole = Math.abs(responseTime + nodeDuration - 1) < 1e-9;
  return isWhole && responseTime > 0 && nodeDuration > 0 ? { responseTime, nodeDuration } : null;
}
