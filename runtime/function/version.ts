// A function's version: derived from the bundle's bytes alone, so that whoever holds the same bundle names it alike.
// The Redis module computes the same one in C++.

import { createHash } from "node:crypto";

/** First 16 hex digits of the SHA-256 of the bundle. */
export const versionOf = (bundle: Uint8Array): string => createHash("sha256").update(bundle).digest("hex").slice(0, 16);
