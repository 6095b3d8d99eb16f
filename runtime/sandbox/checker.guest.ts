// Runs in a context of its own in the isolate, out of the guest's reach, and in the host's snapshot: checks values with the
// code that `checkerCode` in auxiliary.guest.ts has made of a schema. It says no more than whether a value fits.

import { Guard } from "typebox/guard";

type Check = (value: unknown) => boolean;
const checks = new Map<string, Check>();

/** Throws if the value is not JSON. `which` is "input" or "output", of which there is one schema each. */
function check(which: string, code: string, json: string): boolean {
  let known = checks.get(which);
  if (known === undefined) {
    // Code of ours, made in a sandbox host from a schema that was checked.
    // oxlint-disable-next-line no-implied-eval
    known = (new Function("Guard", code) as (guard: typeof Guard) => Check)(Guard);
    checks.set(which, known);
  }
  return known(JSON.parse(json));
}

export default { check };
