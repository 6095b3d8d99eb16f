// What is known fades: by half in some time.

/** Of what there was `ms` ago, the part that counts still, 0 to 1. A clock that jumps back decays nothing. */
export const decayOf = (ms: number, halfLifeMs: number): number => Math.exp((-Math.LN2 * Math.max(0, ms)) / halfLifeMs);
