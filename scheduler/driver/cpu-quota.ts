// CPUs as the kernel's bandwidth control counts them: so much time in each period.

/** The kernel's own default. */
export const PERIOD_US = 100_000;
/** It takes no less. */
const QUOTA_US_MIN = 1_000;

export const quotaUs = (cpus: number): number => Math.max(QUOTA_US_MIN, Math.round(cpus * PERIOD_US));
