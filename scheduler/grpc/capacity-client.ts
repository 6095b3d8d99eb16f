// The scheduler of somebody else's process: of the node that controls, or of one of its own.

import { PORT_MAX } from "#runtime/setting.ts";
import type { CapacityOverview } from "../service/capacity-overview.ts";
import type { BeatAnswer, CapacityDesk, LeasedInstance, LeaseWanted, NodeBeat } from "./capacity-desk.ts";
import {
  beatMessage,
  type BeatReply,
  divisionIn,
  type LeaseReply,
  manyIn,
  type OverviewReply,
  wantedMessage,
} from "./capacity-messages.ts";
import { integerIn, nameIn } from "./field.ts";
import { Peer, type PeerOptions } from "./peer.ts";

export class CapacityClient implements CapacityDesk {
  readonly #peer: Peer;
  readonly #leaseTimeoutMs: number;

  /** `timeoutMs` is a beat's: a lease may have to wait for a start, or for somebody else's call to end. */
  constructor(options: PeerOptions, leaseTimeoutMs: number) {
    this.#peer = new Peer("locus.Capacity", options);
    this.#leaseTimeoutMs = leaseTimeoutMs;
  }

  async beat(beat: NodeBeat, signal?: AbortSignal): Promise<BeatAnswer> {
    const reply: BeatReply = await this.#peer.unary("Beat", beatMessage(beat), signal);
    const { gone, revoked, is_pressed: isPressed, threads } = reply;
    return this.#peer.checked("Beat", () => ({ gone, revoked, isPressed, threads: divisionIn(threads) }));
  }

  async lease(wanted: LeaseWanted, signal?: AbortSignal): Promise<readonly LeasedInstance[]> {
    const request = wantedMessage(wanted);
    const { instances }: LeaseReply = await this.#peer.unary("Lease", request, signal, this.#leaseTimeoutMs);
    return this.#peer.checked("Lease", () =>
      manyIn(instances, "instances").map(({ id, node_id, address, port, cpus }) => ({
        id: nameIn(id, "id"),
        nodeId: nameIn(node_id, "node_id"),
        address: nameIn(address, "address"),
        port: integerIn(port, "port", 1, PORT_MAX),
        cpus,
      })),
    );
  }

  async overview(signal?: AbortSignal): Promise<CapacityOverview> {
    const { overview_json }: OverviewReply = await this.#peer.unary("Overview", {}, signal);
    return this.#peer.checked("Overview", () => JSON.parse(overview_json) as CapacityOverview);
  }

  close(): void {
    this.#peer.close();
  }
}
