// The secret that a listener may ask its callers for, as `authorization: Bearer SECRET` in a call's metadata, or in a request's headers where a page
// is served over HTTP.

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
  const holds = secretCheck(secret);
  return ({ path }, call) => {
    if (OPEN_PATHS.test(path)) return new ServerInterceptingCall(call);
    return new ServerInterceptingCall(call, {
      start: (next) =>
        next({
          onReceiveMetadata: (metadata, pass) => {
            const [given, ...more] = metadata.get(KEY);
            if (holds(more.length === 0 ? given : null)) pass(metadata);
            else refuse(call, path);
          },
        }),
    });
  };
}

/** Whether what came as `authorization` is the secret as it is then; undefined: nothing came; null: too much did. It takes the same time wherever they differ. */
export function secretCheck(secret: Secret): (given: unknown) => boolean {
  const expected = derived(secret, digest);
  return (given) => {
    if (given === undefined) return false;
    const isHeld =
      typeof given === "string" &&
      given.startsWith(PREFIX) &&
      timingSafeEqual(expected(), digest(given.slice(PREFIX.length)));
    if (!isHeld) doubt(secret);
    return isHeld;
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

function refuse(call: ServerInterceptingCallInterface, path: string): void {
  call.sendStatus(
    statusOf(new LocusError("UNAUTHENTICATED", `${path} asks for a secret, and the call has none or another`)),
  );
}
