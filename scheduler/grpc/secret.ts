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

const KEY = "authorization";
const PREFIX = "Bearer ";
/** Who looks whether a process is well has no secret: kubelet's probes cannot send one. */
const OPEN_PATHS = /^\/grpc\.health\.v1\.Health\//;

/** Refuses a call with UNAUTHENTICATED before its message is read. */
export function askForSecret(secret: string): ServerInterceptor {
  const expected = digest(secret);
  return ({ path }, call) => {
    if (OPEN_PATHS.test(path)) return new ServerInterceptingCall(call);
    return new ServerInterceptingCall(call, {
      start: (next) =>
        next({
          onReceiveMetadata: (metadata, pass) => {
            if (holds(expected, metadata)) pass(metadata);
            else refuse(call, path);
          },
        }),
    });
  };
}

export function secretMetadata(secret: string | null): Metadata {
  const metadata = new Metadata();
  if (secret !== null) metadata.set(KEY, PREFIX + secret);
  return metadata;
}

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
