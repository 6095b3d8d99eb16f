// Stores a user's password as a hash that is slow on purpose, and checks one against it: a single small read or write, and
// then hundreds of milliseconds of computing that must not happen on Redis' machine.

import { defineFunction } from "locus/function";
import { pbkdf2 } from "./digest/pbkdf2.ts";

/** OWASP's Password Storage Cheat Sheet for PBKDF2 with HMAC-SHA-256, 2023. */
const ITERATIONS_DEFAULT = 600_000;
const SALT_BYTES = 16;

interface Hash {
  readonly iterations: number;
  readonly salt: Uint8Array;
  readonly digest: Uint8Array;
}

/** Stands in for an unknown user's hash, so that the time of an answer does not tell who is known. */
const DECOY: Hash = { iterations: ITERATIONS_DEFAULT, salt: new Uint8Array(SALT_BYTES), digest: new Uint8Array(32) };

export default defineFunction({
  name: "hash-password",
  input: {
    type: "object",
    required: ["action", "user", "password"],
    properties: {
      action: { enum: ["create", "verify"] },
      user: { type: "string", minLength: 1, maxLength: 256 },
      password: { type: "string", maxLength: 1_024 },
      iterations: { type: "integer", minimum: 1, maximum: 10_000_000 },
    },
  },
  limits: { deadlineMs: 30_000, cpuMs: 20_000 },
  async run({ redis, args: { action, user, password, iterations = ITERATIONS_DEFAULT } }) {
    const key = `password:${user}`;
    const secret = new TextEncoder().encode(password);
    if (action === "create") {
      const salt = crypto.getRandomValues(new Uint8Array(SALT_BYTES));
      await redis.set(key, format({ iterations, salt, digest: pbkdf2(secret, salt, iterations) }));
      return { created: true };
    }
    const stored = await redis.get(key);
    const expected = stored === null ? DECOY : parse(stored);
    const digest = pbkdf2(secret, expected.salt, expected.iterations);
    return { valid: stored !== null && isEqual(digest, expected.digest) };
  },
});

/** The text form of password hashes in the PHC string format: `$pbkdf2-sha256$i=600000$salt$digest`. */
function format({ iterations, salt, digest }: Hash): string {
  const [saltText, digestText] = [salt, digest].map((bytes) => bytes.toBase64({ omitPadding: true }));
  return `$pbkdf2-sha256$i=${iterations}$${saltText}$${digestText}`;
}

function parse(text: string): Hash {
  const [, iterations, salt, digest] = /^\$pbkdf2-sha256\$i=(\d+)\$([^$]+)\$([^$]+)$/.exec(text) ?? [];
  if (salt === undefined || digest === undefined) throw new Error("what is stored is no PBKDF2 hash");
  return { iterations: Number(iterations), salt: Uint8Array.fromBase64(salt), digest: Uint8Array.fromBase64(digest) };
}

/** Looks at every byte, so that its time does not tell how many are right. */
const isEqual = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length && a.reduce((bits, byte, index) => bits | (byte ^ b[index]!), 0) === 0;
