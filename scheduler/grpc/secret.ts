// The secret that a listener may ask its callers for, as `authorization: Bearer SECRET` in a call's metadata.

import { createHash, timingSafeEqual } from "node:crypto";
import {
  Metadata,
  type ServerInterceptor,
  ServerInterceptingCall,
  type ServerInterceptingCallInterface,
} from "@grpc/grpc-js";
import { LocusError } from "#runtime/errors.ts";
import { statusOf } from "./grpc-error.ts";
import type { Secret } from "./security.ts";

const KEY = "authorization";
const PREFIX = "Bearer ";
/** Who looks whether a process is well has no secret: kubelet's probes cannot send one. */
const OPEN_PATHS = /^\/grpc\.health\.v1\.Health\//;

/** Refuses a call with UNAUTHENTICATED before its message is read. */
export function askForSecret(secret: Secret): ServerInterceptor {
  const expected = derived(secret, digest);
  return ({ path }, call) => {
    if (OPEN_PATHS.test(path)) return new ServerInterceptingCall(call);
    return new ServerInterceptingCall(call, {
      start: (next) =>
        next({
          onReceiveMetadata: (metadata, pass) => {
            if (holds(expected(), metadata)) pass(metadata);
            else {
              if (metadata.get(KEY).length > 0) doubt(secret);
              refuse(call, path);
            }
          },
        }),
    });
  };
}

/** What a call carries; of a secret as it is then. */
export function secretMetadata(secret: Secret | null): () => Metadata {
  const none = new Metadata();
  if (secret === null) return () => none;
  return derived(secret, (text) => {
    const metadata = new Metadata();
    metadata.set(KEY, PREFIX + text);
    return metadata;
  });
}

/** A listener has refused it, or a caller has another one. */
export function doubt(secret: Secret | null): void {
  if (typeof secret === "object") secret?.doubt();
}

/** What is made of a secret: anew when it has become another. */
function derived<Value>(secret: Secret, make: (text: string) => Value): () => Value {
  let text = textOf(secret);
  let value = make(text);
  return () => {
    const now = textOf(secret);
    if (now !== text) [text, value] = [now, make(now)];
    return value;
  };
}

const textOf = (secret: Secret): string => (typeof secret === "string" ? secret : secret.now);

/** Digests have one length, whatever a caller sends, and are compared in the same time wherever they differ. */
const digest = (text: string): Buffer => createHash("sha256").update(text).digest();

function holds(expected: Buffer, metadata: Metadata): boolean {
  const given = metadata.get(KEY);
  const [text] = given;
  if (given.length !== 1 || typeof text !== "string" || !text.startsWith(PREFIX)) return false;
  return timingSafeEqual(expected, digest(text.slice(PREFIX.length)));
}

function refuse(call: ServerInterceptingCallInterface, path: string): void {
  call.sendStatus(
    statusOf(new LocusError("UNAUTHENTICATED", `${path} asks for a secret, and the call has none or another`)),
  );
}
