// The scheduler of somebody else's process: of the node that controls, or of one of its own.

import type { CapacityOverview } from "../service/capacity-overview.ts";
import type { BeatAnswer, CapacityDesk, LeaseAnswer, LeaseWanted, NodeBeat } from "./capacity-desk.ts";
import {
  answerIn,
  beatMessage,
  type BeatReply,
  leaseAnswerIn,
  type LeaseReply,
  type OverviewReply,
  wantedMessage,
} from "./capacity-messages.ts";
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
    return this.#peer.checked("Beat", () => answerIn(reply));
  }

  async lease(wanted: LeaseWanted, signal?: AbortSignal): Promise<LeaseAnswer> {
    const request = wantedMessage(wanted);
    const reply: LeaseReply = await this.#peer.unary("Lease", request, signal, this.#leaseTimeoutMs);
    return this.#peer.checked("Lease", () => leaseAnswerIn(reply));
  }

  async overview(signal?: AbortSignal): Promise<CapacityOverview> {
    const { overview_json }: OverviewReply = await this.#peer.unary("Overview", {}, signal);
    return this.#peer.checked("Overview", () => JSON.parse(overview_json) as CapacityOverview);
  }

  close(): void {
    this.#peer.close();
  }
}
