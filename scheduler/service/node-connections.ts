// Connections to nodes for whoever calls functions there: one to each address, kept for the next call, and a bounded number of them.

import type { NodeClient } from "../grpc/node-client.ts";

type Connection = Pick<NodeClient, "connected" | "invoke" | "close">;

export class NodeConnections {
  readonly #connect: (endpoint: string) => Connection;
  readonly #max: number;
  /** By endpoint, the one that was used last at the end. */
  readonly #open = new Map<string, Connection>();

  constructor(connect: (endpoint: string) => Connection, max: number) {
    this.#connect = connect;
    this.#max = max;
  }

  /** Where there are too many, the one that has not been used for longest is closed: calls on it go on to their end. */
  to(address: string, port: number): Connection {
    const endpoint = `${address}:${port}`;
    const connection = this.#open.get(endpoint) ?? this.#connect(endpoint);
    this.#open.delete(endpoint);
    this.#open.set(endpoint, connection);
    if (this.#open.size > this.#max) this.#closeOldest();
    return connection;
  }

  #closeOldest(): void {
    const [oldest] = this.#open;
    if (oldest === undefined) return;
    const [endpoint, connection] = oldest;
    this.#open.delete(endpoint);
    connection.close();
  }

  close(): void {
    for (const connection of this.#open.values()) connection.close();
    this.#open.clear();
  }
}
