import { describe, expect, test } from "vitest";

import {
  DIVIDED_MAX,
  HOSTED_MAX,
  LEASES_MAX,
  RETURNED_MAX,
  SCALED_MAX,
  WAITED_MAX,
  WAITING_MAX,
} from "./beat-bounds.ts";
import type { BeatAnswer, HostedInstance, LeaseUse, LeaseWanted, NodeBeat, ScaledFunction } from "./capacity-desk.ts";
import {
  answerIn,
  answerMessage,
  beatIn,
  beatMessage,
  type BeatReply,
  type BeatRequest,
  leaseAnswerIn,
  leaseAnswerMessage,
  type LeaseReply,
  type LeaseRequest,
  wantedIn,
  wantedMessage,
} from "./capacity-messages.ts";
import { MESSAGE_BYTES_MAX } from "./listener.ts";
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
  waitedMs: 7.5,
  lackedMemory: false,
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
  leases: [USE, { ...USE, id: "i2", isUsed: true, unusedForMs: 0, lackedMemory: true }],
  waits: [{ key: "khop@1", waiting: 3, left: 2, leftWaitMs: 512.5 }],
  returned: ["i3"],
  broken: ["i4"],
  scaled: [{ shape: { key: "khop@1", memoryMb: 64, timeoutMs: 5_000 }, min: 1, max: 0 }],
  scaledVersion: 7,
  threads: { total: 16, functions: [{ functionKey: "khop", threadsMax: 2, threads: 2, busy: 1, waiting: 3 }] },
};
const { Beat } = SERVICES["locus.Capacity"];
const sent = (beat: NodeBeat): NodeBeat =>
  beatIn(Beat!.requestDeserialize(Beat!.requestSerialize(beatMessage(beat))) as BeatRequest);
const answered = (answer: BeatAnswer): BeatAnswer =>
  answerIn(Beat!.responseDeserialize(Beat!.responseSerialize(answerMessage(answer))) as BeatReply);
const ANSWER: BeatAnswer = { gone: ["i1"], revoked: ["i2", "i3"], isPressed: true, threads: new Map([["khop", 2]]) };
/** Of a function with the longest name. */
const KEY = `${"f".repeat(64)}@0123456789abcdef`;
const uuid = (at: number): string => `00000000-0000-4000-8000-${String(at).padStart(12, "0")}`;
const many = <Item>(length: number, make: (at: number) => Item): readonly Item[] =>
  Array.from({ length }, (_, at) => make(at));
const hosted = (at: number): HostedInstance => {
  return {
    id: uuid(at),
    name: `0123456789ab-${1e9 + at}`,
    shape: { key: KEY, memoryMb: 1e9 / 3, timeoutMs: 300_000 },
    usedMb: 1 / 3,
  };
};
const usedAt = (at: number): LeaseUse => {
  const times = { executionMs: 1e9 / 3, usedMs: 1e9 / 3, beganAgoMs: 1e3 / 3, unusedForMs: 1e3 / 3, waitedMs: 1e3 / 3 };
  return { id: uuid(at), calls: 1e9, cpus: 1 / 3, isUsed: true, lackedMemory: true, ...times };
};
const waitsAt = (at: number) => {
  return { key: `${KEY}${at}`, waiting: WAITING_MAX, left: 1e9, leftWaitMs: 1e3 / 3 };
};
const scaled = (at: number): ScaledFunction => ({ shape: hosted(at).shape, min: 1_000, max: 1_000 });
const threadsOf = (at: number) => {
  return { functionKey: `${"f".repeat(60)}${at}`, threadsMax: 1e6, threads: 1e6, busy: 1e6, waiting: 1e6 };
};
/** As much of each thing as there may be, and so many more. */
const FULL: { readonly [field in keyof NodeBeat]?: (more: number) => Partial<NodeBeat> } = {
  instances: (more) => ({ instances: many(HOSTED_MAX + more, hosted) }),
  leases: (more) => ({ leases: many(LEASES_MAX + more, usedAt) }),
  waits: (more) => ({ waits: many(WAITED_MAX + more, waitsAt) }),
  returned: (more) => ({ returned: many(RETURNED_MAX + more, uuid) }),
  broken: (more) => ({ broken: many(RETURNED_MAX + more, uuid) }),
  scaled: (more) => ({ scaled: many(SCALED_MAX + more, scaled) }),
  threads: (more) => ({ threads: { total: 1e6, functions: many(DIVIDED_MAX + more, threadsOf) } }),
};

describe("a beat over the wire", () => {
  test("is what was said, with threads and without", () => {
    expect(sent(BEAT)).toEqual(BEAT);
    expect(sent({ ...BEAT, threads: null })).toEqual({ ...BEAT, threads: null });
  });

  test("of a node that does not say whether calls lacked memory says that none did", () => {
    const message = beatMessage(BEAT);
    const leases = message.leases.map((use) => ({ ...use, lacked_memory: undefined }));
    const before = Beat!.requestDeserialize(Beat!.requestSerialize({ ...message, leases })) as BeatRequest;
    expect(beatIn(before).leases.map(({ lackedMemory }) => lackedMemory)).toEqual([false, false]);
  });

  test("has an answer that says how many threads functions may have, be it none, or nothing of that", () => {
    for (const threads of [ANSWER.threads, new Map<string, number>(), null]) {
      expect(answered({ ...ANSWER, threads })).toEqual({ ...ANSWER, threads });
    }
  });

  test.each([
    ["executionMs", -1],
    ["executionMs", NaN],
    ["usedMs", Infinity],
    ["beganAgoMs", -0.5],
    ["unusedForMs", 1e300],
    ["waitedMs", -1],
    ["calls", 1.5],
  ])("is refused where a lease's %s is %d", (field, value) => {
    const message = beatMessage({ ...BEAT, leases: [{ ...USE, [field]: value }] });
    expect(() => beatIn(message)).toThrow(expect.objectContaining({ code: "REQUEST_INVALID" }));
  });

  test.each([
    ["waiting", -1],
    ["waiting", WAITING_MAX + 1],
    ["left", 1.5],
    ["leftWaitMs", Infinity],
    ["key", ""],
  ])("is refused where of calls that wait %s is %j", (field, value) => {
    const [one] = BEAT.waits;
    const message = beatMessage({ ...BEAT, waits: [{ ...one!, [field]: value }] });
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

  test.each(Object.entries(FULL))("has as many %s as there may be, and is refused with one more", (_, full) => {
    expect(sent({ ...BEAT, ...full(0) })).toEqual({ ...BEAT, ...full(0) });
    expect(() => sent({ ...BEAT, ...full(1) })).toThrow(expect.objectContaining({ code: "REQUEST_INVALID" }));
  });

  test("fits into a message with as much of everything as a node has, and so does its answer", () => {
    const { broken: _, ...full } = FULL;
    const most = Object.assign({}, BEAT, ...Object.values(full).map((of) => of(0))) as NodeBeat;
    expect(Beat!.requestSerialize(beatMessage(most)).length).toBeLessThan(MESSAGE_BYTES_MAX);
    const threads = new Map(many(DIVIDED_MAX, (at) => [threadsOf(at).functionKey, 1e6] as const));
    const answer = { gone: many(LEASES_MAX, uuid), revoked: many(LEASES_MAX, uuid), isPressed: true, threads };
    expect(answered(answer)).toEqual(answer);
    expect(Beat!.responseSerialize(answerMessage(answer)).length).toBeLessThan(MESSAGE_BYTES_MAX);
  });

  test.each([
    ["gone", { gone: many(LEASES_MAX + 1, uuid) }],
    ["revoked", { revoked: many(LEASES_MAX + 1, uuid) }],
    ["revoked", { revoked: [""] }],
    ["threads", { threads: new Map(many(DIVIDED_MAX + 1, (at) => [`f${at}`, 1] as const)) }],
  ])("has no answer with more %s than may be, or with none where one is named", (_, more) => {
    expect(() => answered({ ...ANSWER, ...more })).toThrow(expect.objectContaining({ code: "REQUEST_INVALID" }));
  });

  test.each([Infinity, NaN, -1, 1_025])("brings no instance of a node with %d cores", (cpus) => {
    const one = { id: "i1", node_id: "a", address: "a", port: 1, cpus };
    const reply = { instances: [one], wait_ms: 0 };
    expect(() => leaseAnswerIn(reply)).toThrow(expect.objectContaining({ code: "REQUEST_INVALID" }));
  });
});

describe("a request for instances over the wire", () => {
  const { Lease } = SERVICES["locus.Capacity"];
  const WANTED: LeaseWanted = {
    nodeId: "a",
    shape: { key: KEY, memoryMb: 64, timeoutMs: 5_000 },
    count: 3,
    waiting: 20,
    isGrowth: false,
    held: { busy: 7, busyForMs: 12.5 },
  };

  test("is what was said, of what is held as well", () => {
    for (const wanted of [WANTED, { ...WANTED, isGrowth: true, held: { busy: 0, busyForMs: 0 } }]) {
      const sent = Lease!.requestDeserialize(Lease!.requestSerialize(wantedMessage(wanted))) as LeaseRequest;
      expect(wantedIn(sent)).toEqual(wanted);
    }
  });

  test.each([
    { busy: -1, busyForMs: 0 },
    { busy: LEASES_MAX + 1, busyForMs: 0 },
    { busy: 1, busyForMs: -1 },
    { busy: 1, busyForMs: NaN },
  ])("is refused where $busy are busy for $busyForMs ms", (held) => {
    const message = wantedMessage({ ...WANTED, held });
    expect(() => wantedIn(message)).toThrow(expect.objectContaining({ code: "REQUEST_INVALID" }));
  });

  test.each([-1, 0.5, WAITING_MAX + 1])("is refused where %d calls wait", (waiting) => {
    const message = wantedMessage({ ...WANTED, waiting });
    expect(() => wantedIn(message)).toThrow(expect.objectContaining({ code: "REQUEST_INVALID" }));
  });

  test("has an answer with instances, or with how long to wait", () => {
    const one = { id: "i1", nodeId: "a", address: "a", port: 1, cpus: 2 };
    for (const answer of [
      { instances: [one], waitMs: null },
      { instances: [], waitMs: 0.25 },
    ]) {
      const reply = Lease!.responseDeserialize(Lease!.responseSerialize(leaseAnswerMessage(answer))) as LeaseReply;
      expect(leaseAnswerIn(reply)).toEqual(answer);
    }
  });

  test.each([-1, NaN, Infinity])("has no answer that says to wait for %d ms", (wait_ms) => {
    expect(() => leaseAnswerIn({ instances: [], wait_ms })).toThrow(
      expect.objectContaining({ code: "REQUEST_INVALID" }),
    );
  });
});
