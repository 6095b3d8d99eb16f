// locus.Capacity over a port: where nodes get instances from. A node says every half second that it is there, what it has and what it did, and
// asks for instances where those that it holds do not do. In a node of its own the controller is asked directly.

import type { UntypedServiceImplementation } from "@grpc/grpc-js";
import type { ServedDesk } from "./capacity-desk.ts";
import {
  answerMessage,
  beatIn,
  type BeatReply,
  type BeatRequest,
  leaseAnswerMessage,
  type LeaseReply,
  type LeaseRequest,
  type OverviewReply,
  wantedIn,
} from "./capacity-messages.ts";
import { unary } from "./handler.ts";

export const capacityService = (desk: ServedDesk): UntypedServiceImplementation => ({
  Beat: unary<BeatRequest, BeatReply>(async (request, signal) => {
    return answerMessage(await desk.beat(beatIn(request), signal));
  }),
  Lease: unary<LeaseRequest, LeaseReply>(
    async (request, signal) => leaseAnswerMessage(await desk.lease(wantedIn(request), signal)),
    // Nobody has them.
    ({ node_id }, { instances }) =>
      desk.takeBack(
        node_id,
        instances.map(({ id }) => id),
      ),
  ),
  Overview: unary<object, OverviewReply>(async (_request, signal) => ({
    overview_json: JSON.stringify(await desk.overview(signal)),
  })),
});
