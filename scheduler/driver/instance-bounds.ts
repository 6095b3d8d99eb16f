// What holds of a spec and of a call whatever the driver, and the outcomes that drivers make themselves.

import { LocusError, type ErrorCode } from "#runtime/errors.ts";
import { ARGS_BYTES_MAX } from "#runtime/function/description.ts";
import { NO_USAGE } from "#runtime/profile/sample.ts";
import type { Outcome } from "#runtime/sandbox/supervisor.ts";
import type { InstanceCall, InstanceSpec } from "./driver.ts";

/** Of one driver; one more is refused. Chosen: as many as a node can tell of in a beat (scheduler/grpc/beat-bounds.ts). */
export const INSTANCES_MAX = 10_000;
/** Chosen. */
const CPUS_MAX = 1_024;
const CPUS_MIN = 0.01;
const CONCURRENCY_MAX = 1_000;
const MEMORY_BYTES_MAX = 2 ** 40;
const ID_PATTERN = /^[A-Za-z0-9][\w.-]{0,127}$/;

/** Throws REQUEST_INVALID. */
export function checkSpec({ id, memoryBytes, cpus, concurrency }: InstanceSpec, memoryBytesMin: number): void {
  if (!ID_PATTERN.test(id))
    throw new LocusError(
      "REQUEST_INVALID",
      `an instance's id is "${id.slice(0, 200)}", must match ${ID_PATTERN.source}`,
    );
  if (!Number.isInteger(concurrency) || concurrency < 1 || concurrency > CONCURRENCY_MAX) {
    throw new LocusError(
      "REQUEST_INVALID",
      `instance ${id}: concurrency is ${concurrency}, must be from 1 to ${CONCURRENCY_MAX}`,
    );
  }
  checkMemory(id, memoryBytes, memoryBytesMin);
  checkCpus(id, cpus);
}

export function checkMemory(id: string, memoryBytes: number, memoryBytesMin: number): void {
  if (Number.isSafeInteger(memoryBytes) && memoryBytes >= memoryBytesMin && memoryBytes <= MEMORY_BYTES_MAX) return;
  throw new LocusError(
    "REQUEST_INVALID",
    `instance ${id}: memory is ${memoryBytes} bytes, must be from ${memoryBytesMin} to ${MEMORY_BYTES_MAX}`,
  );
}

export function checkCpus(id: string, cpus: number): void {
  if (cpus >= CPUS_MIN && cpus <= CPUS_MAX) return;
  throw new LocusError("REQUEST_INVALID", `instance ${id}: ${cpus} CPUs, must be from ${CPUS_MIN} to ${CPUS_MAX}`);
}

/** null where nothing is wrong with it. */
export function refusalOf({ keys, argsJson }: InstanceCall): Outcome | null {
  const bytes = Buffer.byteLength(argsJson) + keys.reduce((sum, key) => sum + Buffer.byteLength(key), 0);
  if (bytes <= ARGS_BYTES_MAX) return null;
  return failure("ARGS_TOO_LARGE", `args and keys have ${bytes} bytes; at most ${ARGS_BYTES_MAX} are allowed`);
}

export const failure = (code: ErrorCode, message: string): Outcome => ({
  ok: false,
  error: { code, message, stack: "" },
  usage: NO_USAGE,
  logs: [],
});

export const notFound = (id: string): LocusError =>
  new LocusError("INSTANCE_NOT_FOUND", `there is no instance "${id.slice(0, 200)}"`);
