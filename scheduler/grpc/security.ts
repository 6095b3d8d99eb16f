// How the two ends of a connection trust each other: in plain text, or with TLS; each with a secret where one is set.

import { isIP } from "node:net";
import { checkServerIdentity, type PeerCertificate } from "node:tls";
import { ChannelCredentials, type ChannelOptions, credentials, ServerCredentials } from "@grpc/grpc-js";

/** A secret that may become another one while whoever has it lives. */
export interface LiveSecret {
  readonly now: string;
  /** Somebody has another one. Called for each such call: what is done then is bounded there. */
  doubt(): void;
}

export type Secret = string | LiveSecret;

export interface ListenerSecurity {
  /** Callers have to send it; null: whoever reaches the listener is served. */
  readonly secret: Secret | null;
  /** PEM. null: plain text. */
  readonly tls: { readonly certificate: string; readonly key: string } | null;
}

export interface PeerSecurity {
  readonly secret: Secret | null;
  /** null: plain text. */
  readonly tls: {
    /** PEM of the authorities to trust; null: those that Node brings along. */
    readonly authorities: string | null;
    /** Whom the certificate must be for, where that is not the endpoint's host. */
    readonly serverName: string | null;
  } | null;
}

/** As the contests have it. */
export const PLAIN: ListenerSecurity & PeerSecurity = { secret: null, tls: null };

export function serverCredentials({ tls }: ListenerSecurity): ServerCredentials {
  if (tls === null) return ServerCredentials.createInsecure();
  return ServerCredentials.createSsl(null, [
    { cert_chain: Buffer.from(tls.certificate), private_key: Buffer.from(tls.key) },
  ]);
}

/** SNI has names only, and Node refuses an address there. */
const ADDRESS_SERVER_NAME = "address.invalid";

/** For a channel to `endpoint`: what it trusts, and the options that go with that. */
export function channelTrust({ tls }: PeerSecurity, endpoint: string): [ChannelCredentials, ChannelOptions] {
  if (tls === null) return [credentials.createInsecure(), {}];
  const name = tls.serverName ?? hostOf(endpoint);
  const authorities = tls.authorities === null ? null : Buffer.from(tls.authorities);
  // gRPC would check an address as if it were a name.
  const verify = {
    checkServerIdentity: (_host: string, certificate: PeerCertificate) => checkServerIdentity(name, certificate),
  };
  return [
    ChannelCredentials.createSsl(authorities, null, null, verify),
    { "grpc.ssl_target_name_override": isIP(name) === 0 ? name : ADDRESS_SERVER_NAME },
  ];
}

/** `host:port`, `[address]:port`. */
const hostOf = (endpoint: string): string => endpoint.replace(/:\d+$/, "").replace(/^\[(.*)\]$/, "$1");
