// Reads the fields of a message that came over the wire: what a sender may have left out or overdone is refused here, so that
// what is behind a handler sees sound values only.

import { LocusError } from "#runtime/errors.ts";

/** Of an id, a name, an address; chosen. */
const TEXT_LENGTH_MAX = 256;
/** Of a reason or an error's message; more is cut off, since it is for people. */
const NOTE_LENGTH_MAX = 1_000;

/** A whole number from `min` to `max`. Throws REQUEST_INVALID, also for what has more digits than a JavaScript number. */
export function integerIn(value: number, field: string, min = 0, max = Number.MAX_SAFE_INTEGER): number {
  if (Number.isSafeInteger(value) && value >= min && value <= max) return value;
  throw new LocusError("REQUEST_INVALID", `${field} is ${value}, must be a whole number from ${min} to ${max}`);
}

/** Any number from `min` to `max`. Throws REQUEST_INVALID. */
export function numberIn(value: number, field: string, min: number, max: number): number {
  if (value >= min && value <= max) return value;
  throw new LocusError("REQUEST_INVALID", `${field} is ${value}, must be from ${min} to ${max}`);
}

/** Throws REQUEST_INVALID where it is empty or longer than TEXT_LENGTH_MAX. */
export function nameIn(value: string, field: string): string {
  if (value === "") throw new LocusError("REQUEST_INVALID", `${field} is missing`);
  return textIn(value, field);
}

/** May be empty. Throws REQUEST_INVALID where it is longer than TEXT_LENGTH_MAX. */
export function textIn(value: string, field: string): string {
  if (value.length <= TEXT_LENGTH_MAX) return value;
  throw new LocusError(
    "REQUEST_INVALID",
    `${field} has ${value.length} characters, at most ${TEXT_LENGTH_MAX} are allowed`,
  );
}

/** Throws REQUEST_INVALID where it is not there. */
export function messageIn<Message>(value: Message | null | undefined, field: string): Message {
  if (value === null || value === undefined) throw new LocusError("REQUEST_INVALID", `${field} is missing`);
  return value;
}

export const noteIn = (value: string): string => value.slice(0, NOTE_LENGTH_MAX);
