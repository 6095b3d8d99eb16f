// Connections to the NodeServices of nodes of ours, one each, shared by all who call there.

import { NodeClient } from "./node-client.ts";
import type { PeerSecurity } from "./security.ts";

/** Beyond, the one that was used the longest ago is closed: calls under way there go on. */
const PEERS_MAX = 1_024;
/** Of what is no call: making and removing an instance. */
const TIMEOUT_MS = 30_000;

export class NodePeers {
  readonly #security: PeerSecurity;
  /** By endpoint, the one that was used the longest ago first. */
  readonly #clients = new Map<string, NodeClient>();

  constructor(security: PeerSecurity) {
    this.#security = security;
  }

  at({ address, port }: { readonly address: string; readonly port: number }): NodeClient {
    const endpoint = endpointOf(address, port);
    const known = this.#clients.get(endpoint);
    const client = known ?? new NodeClient({ endpoint, security: this.#security, timeoutMs: TIMEOUT_MS, isOurs: true });
    if (known !== undefined) this.#clients.delete(endpoint);
    this.#clients.set(endpoint, client);
    const [oldest] = this.#clients.keys();
    if (this.#clients.size > PEERS_MAX && oldest !== undefined) {
      this.#clients.get(oldest)?.close();
      this.#clients.delete(oldest);
    }
    return client;
  }

  close(): void {
    for (const client of this.#clients.values()) client.close();
    this.#clients.clear();
  }
}

export const endpointOf = (address: string, port: number): string =>
  address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
