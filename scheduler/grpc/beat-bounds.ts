// How much a beat and its answer carry of each thing. A node keeps to it: at a bound it has no more, asks for no more, or tells the rest later; whoever
// hears of more refuses the beat (capacity-messages.ts). All of it together fits into a message. docs/scheduler.md, Nodes of locus.

import { INSTANCES_MAX } from "../driver/instance-bounds.ts";

/** Instances that a node has: one more is not started. */
export const HOSTED_MAX = INSTANCES_MAX;
/** Leases that a node holds: it asks for no more. Of what it has given back it tells as far as there is room beside these. */
export const LEASES_MAX = 10_000;
/** That it gives back, broken or not: others wait for the next beat. */
export const RETURNED_MAX = 10_000;
/** Calls of a node that wait for an instance: one more is refused. As many as wait in a scheduler. */
export const WAITING_MAX = 10_000;
/** Functions of which it is said how many wait, or have left: of others with the next beat. */
export const WAITED_MAX = 1_000;
/** Functions of which people say how many instances they have, and how many they may say: nobody may say more. */
export const SCALED_MAX = 1_000;
export const SCALED_INSTANCES_MAX = 1_000;
/** Functions whose threads beside the data are divided. As many as the module has (`kFunctionsMax` in storage-module/src/registry.h). */
export const DIVIDED_MAX = 1_000;
/** Cores of a node; it is not configured with more. */
export const CPUS_MAX = 1_024;
