// Limits of functions that their test holds up, or a machine that is busy, and nothing else: what functions have by default is a few seconds.

import type { Limits } from "#runtime/function/description.ts";

export const PATIENT: Partial<Limits> = { deadlineMs: 60_000, cpuMs: 60_000 };
