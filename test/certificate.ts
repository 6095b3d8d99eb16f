// A certificate that nobody but its own maker vouches for, made with openssl, for a server that speaks TLS.

import { execFileSync, spawnSync } from "node:child_process";
import { join } from "node:path";

/** The name that it is for, beside 127.0.0.1. */
export const CERTIFIED_NAME = "redis.example";

export interface Certificate {
  /** PEM. It is its own authority. */
  readonly certificateFile: string;
  readonly keyFile: string;
  /** What redis.conf says of them, with TLS on `port`. */
  readonly redisConfig: (port: number) => readonly (readonly [string, string])[];
}

/** In `folder`; valid for two days. Throws where there is no openssl. */
export function makeCertificate(folder: string): Certificate {
  const [certificateFile, keyFile] = [join(folder, "cert.pem"), join(folder, "key.pem")];
  const kind = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
  const names = ["-subj", `/CN=${CERTIFIED_NAME}`, "-addext", `subjectAltName=DNS:${CERTIFIED_NAME},IP:127.0.0.1`];
  const files = ["-keyout", keyFile, "-out", certificateFile];
  execFileSync("openssl", ["req", ...kind, ...files, ...names], { stdio: "ignore" });
  return {
    certificateFile,
    keyFile,
    redisConfig: (port) => [
      ["tls-port", String(port)],
      ["tls-cert-file", certificateFile],
      ["tls-key-file", keyFile],
      ["tls-ca-cert-file", certificateFile],
      ["tls-auth-clients", "no"],
    ],
  };
}

/** Why there can be no TLS here; null where there can. */
export function tlsObstacle(): string | null {
  if (spawnSync("openssl", ["version"]).status !== 0) return "there is no openssl";
  // One without TLS names the first of these lines as the one that it does not know; one with TLS the second.
  const argv = ["--tls-session-caching", "yes", "--dir", "/nowhere"];
  const { stdout, stderr } = spawnSync("redis-server", argv, { encoding: "utf8" });
  return `${stdout}${stderr}`.includes("tls-session-caching") ? "this redis-server has no TLS" : null;
}
