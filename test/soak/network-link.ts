// The network between a member and a server, in one process: a TCP port that passes on to the server's Unix socket, and
// can cut, close one half of, stall and slow down whatever goes through it, and be led to another server.

import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

/** What one direction of a connection holds back, before it stops reading. */
const HELD_BYTES_MAX = 256 * 1024;

export class NetworkLink {
  readonly #server: Server;
  readonly #pairs = new Set<Pair>();
  readonly #weather: Weather = { cut: false, stalled: false, delayMs: 0 };
  /** null: nowhere yet. */
  #path: string | null = null;
  #closed: Promise<void> | null = null;

  private constructor() {
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (near) => {
      if (this.#weather.cut || this.#path === null) {
        near.resetAndDestroy();
        return;
      }
      const pair = new Pair(near, connect({ path: this.#path, allowHalfOpen: true }), this.#weather);
      this.#pairs.add(pair);
      void pair.closed.then(() => this.#pairs.delete(pair));
    });
  }

  /** Refuses connections until it is led somewhere. */
  static async open(): Promise<NetworkLink> {
    const link = new NetworkLink();
    link.#server.listen(0, "127.0.0.1");
    await once(link.#server, "listening");
    return link;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Connections that are open on either side. */
  get connections(): number {
    return this.#pairs.size;
  }

  /** To the server that listens, or will listen, on the Unix socket `path`. Breaks connections to another one. */
  leadTo(path: string): void {
    this.#path = path;
    this.#reset();
  }

  /** Breaks all connections, and refuses new ones until `heal`. */
  cut(): void {
    this.#weather.cut = true;
    this.#reset();
  }

  /** Nothing goes through, in either direction, until `heal`; connections stay as they are, and new ones come up. */
  stall(): void {
    this.#weather.stalled = true;
  }

  /** Everything takes so much longer, in each direction, until `heal`. */
  slow(delayMs: number): void {
    this.#weather.delayMs = delayMs;
  }

  /** Ends one direction of the connections that are there: what comes from the server, or what goes to it. */
  halfClose(direction: "from server" | "to server"): void {
    for (const pair of this.#pairs) pair.end(direction);
  }

  #reset(): void {
    for (const pair of this.#pairs) pair.reset();
  }

  heal(): void {
    Object.assign(this.#weather, { cut: false, stalled: false, delayMs: 0 });
    for (const pair of this.#pairs) pair.flow();
  }

  /** Resolves when nobody is connected any more, and nobody can be. Idempotent. */
  close(): Promise<void> {
    this.#closed ??= this.#end();
    return this.#closed;
  }

  async #end(): Promise<void> {
    const ended = once(this.#server, "close");
    this.#server.close();
    this.cut();
    await ended;
    await Promise.all([...this.#pairs].map(({ closed }) => closed));
  }
}

interface Weather {
  cut: boolean;
  stalled: boolean;
  delayMs: number;
}

class Pair {
  readonly closed: Promise<unknown>;
  readonly #near: Socket;
  readonly #far: Socket;
  readonly #toServer: Direction;
  readonly #fromServer: Direction;

  constructor(near: Socket, far: Socket, weather: Weather) {
    this.#near = near;
    this.#far = far;
    this.#toServer = new Direction(near, far, weather);
    this.#fromServer = new Direction(far, near, weather);
    const gone = [near, far].map((socket) => new Promise<void>((resolve) => socket.once("close", () => resolve())));
    for (const socket of [near, far]) {
      socket.on("error", () => this.destroy());
      // Closed on one side is closed on the other, as a broken path is.
      socket.once("close", () => this.destroy());
    }
    this.closed = Promise.all(gone);
  }

  flow(): void {
    this.#toServer.flow();
    this.#fromServer.flow();
  }

  end(direction: "from server" | "to server"): void {
    (direction === "to server" ? this.#far : this.#near).end();
  }

  /** Both ends learn of it, whatever was on its way. */
  reset(): void {
    // One that is shutting down cannot be reset: Node would never close it, and spin when the process exits.
    if (this.#near.writableEnded) this.#near.destroy();
    else this.#near.resetAndDestroy();
    this.#far.destroy();
  }

  destroy(): void {
    for (const socket of [this.#near, this.#far]) socket.destroy();
  }
}

/** One direction of a connection: what comes in waits here until the weather lets it through, in order. */
class Direction {
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #weather: Weather;
  /** null: the end. */
  readonly #held: { readonly chunk: Buffer | null; readonly atMs: number }[] = [];
  #heldBytes = 0;
  #timer: NodeJS.Timeout | null = null;

  constructor(from: Socket, to: Socket, weather: Weather) {
    this.#from = from;
    this.#to = to;
    this.#weather = weather;
    from.on("data", (chunk: Buffer) => this.#take(chunk));
    from.on("end", () => this.#take(null));
    to.on("drain", () => this.flow());
    from.once("close", () => {
      if (this.#timer !== null) clearTimeout(this.#timer);
    });
  }

  #take(chunk: Buffer | null): void {
    this.#held.push({ chunk, atMs: performance.now() + this.#weather.delayMs });
    this.#heldBytes += chunk?.length ?? 0;
    this.flow();
    if (this.#heldBytes > HELD_BYTES_MAX) this.#from.pause();
  }

  flow(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    for (let first = this.#held[0]; first !== undefined; first = this.#held[0]) {
      if (this.#weather.stalled || this.#to.writableNeedDrain || this.#to.writableEnded) break;
      // A healed network is fast again at once, for what was on its way too.
      const waitMs = this.#weather.delayMs === 0 ? 0 : first.atMs - performance.now();
      if (waitMs > 0) {
        this.#timer = setTimeout(() => this.flow(), waitMs);
        return;
      }
      this.#held.shift();
      this.#heldBytes -= first.chunk?.length ?? 0;
      if (first.chunk === null) this.#to.end();
      else this.#to.write(first.chunk);
    }
    if (this.#heldBytes <= HELD_BYTES_MAX && !this.#from.readableEnded) this.#from.resume();
  }
}
