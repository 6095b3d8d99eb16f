import { describe, expect, test } from "vitest";

import type { LeaseUse, NodeBeat } from "./capacity-desk.ts";
import {
  beatIn,
  beatMessage,
  type BeatReply,
  type BeatRequest,
  divisionIn,
  divisionMessage,
} from "./capacity-messages.ts";
import { SERVICES } from "./services.ts";

const USE: LeaseUse = {
  id: "i1",
  calls: 7,
  executionMs: 35.5,
  cpus: 0.25,
  usedMs: 30,
  beganAgoMs: 480,
  isUsed: false,
  unusedForMs: 120.5,
};
const BEAT: NodeBeat = {
  nodeId: "a",
  address: "127.0.0.1",
  port: 10_700,
  memoryMb: 256,
  availableMb: 200,
  cpus: 2,
  isLeaving: false,
  instances: [{ id: "i1", name: "n", shape: { key: "khop@1", memoryMb: 64, timeoutMs: 5_000 }, usedMb: 12 }],
  leases: [USE, { ...USE, id: "i2", isUsed: true, unusedForMs: 0 }],
  returned: ["i3"],
  broken: ["i4"],
  scaled: [{ shape: { key: "khop@1", memoryMb: 64, timeoutMs: 5_000 }, min: 1, max: 0 }],
  scaledVersion: 7,
  threads: { total: 16, functions: [{ functionKey: "khop", threadsMax: 2, threads: 2, busy: 1, waiting: 3 }] },
};
const { Beat } = SERVICES["locus.Capacity"];
const sent = (beat: NodeBeat): NodeBeat =>
  beatIn(Beat!.requestDeserialize(Beat!.requestSerialize(beatMessage(beat))) as BeatRequest);
const answered = (threads: ReadonlyMap<string, number> | null): ReadonlyMap<string, number> | null => {
  const reply: BeatReply = { gone: [], revoked: [], is_pressed: false, threads: divisionMessage(threads) };
  return divisionIn((Beat!.responseDeserialize(Beat!.responseSerialize(reply)) as BeatReply).threads);
};

describe("a beat over the wire", () => {
  test("is what was said, with threads and without", () => {
    expect(sent(BEAT)).toEqual(BEAT);
    expect(sent({ ...BEAT, threads: null })).toEqual({ ...BEAT, threads: null });
  });

  test("has an answer that says how many threads functions may have, be it none, or nothing of that", () => {
    for (const threads of [new Map([["khop", 2]]), new Map<string, number>(), null]) {
      expect(answered(threads)).toEqual(threads);
    }
  });

  test.each([
    ["executionMs", -1],
    ["executionMs", NaN],
    ["usedMs", Infinity],
    ["beganAgoMs", -0.5],
    ["unusedForMs", 1e300],
    ["calls", 1.5],
  ])("is refused where a lease's %s is %d", (field, value) => {
    const message = beatMessage({ ...BEAT, leases: [{ ...USE, [field]: value }] });
    expect(() => beatIn(message)).toThrow(expect.objectContaining({ code: "REQUEST_INVALID" }));
  });

  test.each([
    ["busy", -1],
    ["threadsMax", 0],
    ["functionKey", ""],
  ])("is refused where of threads %s is %j", (field, value) => {
    const [use] = BEAT.threads!.functions;
    const message = beatMessage({ ...BEAT, threads: { total: 1, functions: [{ ...use!, [field]: value }] } });
    expect(() => beatIn(message)).toThrow(expect.objectContaining({ code: "REQUEST_INVALID" }));
  });
});
