// TLS and a secret for programs that talk to each other, and how their listeners, and their pages over HTTP, answer who has both, and who lacks one
// of them.

import { readFileSync } from "node:fs";
import { request } from "node:https";
import { text as textOf } from "node:stream/consumers";
import { CERTIFIED_NAME, makeCertificate } from "../certificate.ts";
import { clientAt, type ContestClient, Failed } from "./contest-client.ts";

export interface Guard {
  /** Of each program, as listener and as client. */
  readonly settings: Readonly<Record<string, string>>;
  readonly secret: string;
  readonly authority: Buffer;
}

/** Its files are in `folder`. */
export function makeGuard(folder: string): Guard {
  const { certificateFile, keyFile } = makeCertificate(folder);
  const secret = "s3cret";
  const settings = {
    LOCUS_GRPC_SECRET: secret,
    LOCUS_GRPC_CERT: certificateFile,
    LOCUS_GRPC_KEY: keyFile,
    LOCUS_GRPC_CA: certificateFile,
  };
  return { settings, secret, authority: readFileSync(certificateFile) };
}

/** It trusts the listener; the secret it has to be told with each call. */
export const trustedClient = (
  resources: AsyncDisposableStack,
  { authority }: Guard,
  endpoint: string,
  service: string,
): ContestClient =>
  clientAt(resources, endpoint)(service, {
    tls: { authority },
    channel: { "grpc.ssl_target_name_override": CERTIFIED_NAME },
  });

/** A status each. */
export interface GuardedAnswers {
  /** To who speaks no TLS, and to who does not trust its certificate. */
  readonly plain: string;
  readonly distrusting: string;
  readonly withoutSecret: string;
  readonly withAll: string;
}

/** What a listener says to an empty message. `service`: its full name. */
export async function answersAt(
  resources: AsyncDisposableStack,
  guard: Guard,
  endpoint: string,
  service: string,
  method: string,
): Promise<GuardedAnswers> {
  const clientOf = clientAt(resources, endpoint);
  const trusting = trustedClient(resources, guard, endpoint, service);
  const { secret } = guard;
  return {
    plain: await codeOf(clientOf(service).call(method, {}, { secret })),
    distrusting: await codeOf(clientOf(service, { tls: { authority: null } }).call(method, {}, { secret })),
    withoutSecret: await codeOf(trusting.call(method, {})),
    withAll: await codeOf(trusting.call(method, {}, { secret })),
  };
}

/** What each is told by a page on 127.0.0.1: the status and the text, or why there is no answer. */
export async function pageAnswersAt({ authority, secret }: Guard, port: number, path: string) {
  const headers = { authorization: `Bearer ${secret}` };
  const ask = (options: { readonly ca?: Buffer; readonly headers?: Readonly<Record<string, string>> }) =>
    new Promise<readonly [status: number, text: string]>((resolve, reject) => {
      const asked = request({ host: "127.0.0.1", port, path, ...options }, (response) => {
        void textOf(response).then((text) => resolve([response.statusCode ?? 0, text]), reject);
      });
      asked.once("error", reject).end();
    });
  const failure = (answer: Promise<unknown>): Promise<string> =>
    answer.then(
      () => "answered",
      (error: Error & { readonly code?: string }) => error.code ?? error.message,
    );
  return {
    plain: await failure(fetch(`http://127.0.0.1:${port}${path}`, { headers })),
    distrusting: await failure(ask({ headers })),
    withoutSecret: await ask({ ca: authority }),
    withAll: await ask({ ca: authority, headers }),
  };
}

const codeOf = (call: Promise<unknown>): Promise<string> =>
  call.then(
    () => "OK",
    (error: unknown) => {
      if (error instanceof Failed) return error.code;
      throw error;
    },
  );
