import { array, assert, constantFrom, integer, property, record } from "fast-check";
import { afterEach, describe, expect, test, vi } from "vitest";

import { LocusError } from "#runtime/errors.ts";
import { LIMITS, type FunctionDescription } from "#runtime/function/description.ts";
import { LEASES_MAX, RETURNED_MAX, WAITED_MAX } from "#scheduler/grpc/beat-bounds.ts";
import type { LeaseAnswer, LeasedInstance, LeaseWanted } from "#scheduler/grpc/capacity-desk.ts";
import type { BookedInstance } from "./booked-instance.ts";
import { LeaseBook } from "./lease-book.ts";

const ME = "me";
const limits = { deadlineMs: 5_000, cpuMs: 5_000, memoryMb: 64, operations: LIMITS.operations.default, concurrency: 2 };
const khop: FunctionDescription = { name: "khop", version: "1", side: null, limits, input: null, output: null };
const at = (id: string, nodeId = ME, cpus = 2): LeasedInstance => ({ id, nodeId, address: "", port: 1, cpus });

/** Requests are answered by the test. */
interface Request {
  readonly wanted: LeaseWanted;
  readonly signal: AbortSignal;
  readonly grant: (leased: readonly LeasedInstance[]) => Promise<void>;
  /** Says that waiting for what is held is better. */
  readonly pause: (waitMs: number) => Promise<void>;
  readonly refuse: (error: Error) => Promise<void>;
}

const setUp = (most: number | null = null, hasIsolates = false) => {
  const requests: Request[] = [];
  const clock = { nowMs: 0 };
  const said = { most };
  const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  const book = new LeaseBook({
    hasIsolates,
    nodeId: ME,
    nowMs: () => clock.nowMs,
    atMost: () => said.most,
    lease: (wanted, signal) => {
      const { promise, resolve, reject } = Promise.withResolvers<LeaseAnswer>();
      signal.addEventListener("abort", () => reject(new LocusError("CANCELLED", "given up")));
      const answer = (answered: LeaseAnswer): Promise<void> => (resolve(answered), settled());
      const grant = (instances: readonly LeasedInstance[]): Promise<void> => answer({ instances, waitMs: null });
      const pause = (waitMs: number): Promise<void> => answer({ instances: [], waitMs });
      const refuse = (error: Error): Promise<void> => (reject(error), settled());
      requests.push({ wanted, signal, grant, pause, refuse });
      return promise;
    },
  });
  const held = async (...leased: readonly LeasedInstance[]): Promise<void> => {
    const waiting = book.wait(khop, 1_000);
    await requests.at(-1)!.grant(leased);
    book.done((await waiting)!, 1, 0);
  };
  return { book, requests, clock, held, said };
};
const take = (book: LeaseBook): BookedInstance => book.take(khop)!;
const NOTHING = { gone: [], revoked: [], isPressed: false, threads: null };

afterEach(() => void vi.useRealTimers());

describe("a node's book of leases", () => {
  test.each([
    ["20 ms if instances are isolates", { isOpenHere: false, ms: 20 }],
    ["1 ms if such an isolate is open on this node", { isOpenHere: true, ms: 1 }],
  ])("lets a call wait %s, and tells the scheduler of it", async (_title, { isOpenHere, ms }) => {
    vi.useFakeTimers();
    const { book, requests } = setUp(null, true);
    let isOver = false;
    const waiting = book.wait(khop, 10_000, undefined, isOpenHere).then((instance) => {
      isOver = true;
      return instance;
    });
    expect(requests).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(ms - 0.5);
    expect(isOver).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    expect(await waiting).toBeNull();
    expect(book.without.late).toBe(1);
    expect(book.waits()).toMatchObject([{ waiting: 0, left: 1 }]);
  });

  test("asks once for all calls of a function that wait, and serves them in their order", async () => {
    const { book, requests } = setUp();
    expect(book.take(khop)).toBeNull();
    const waiting = Array.from({ length: 3 }, () => book.wait(khop, 1_000));
    expect(requests).toHaveLength(1);
    expect(requests[0]!.wanted).toEqual({
      nodeId: ME,
      shape: { key: "khop@1", memoryMb: 64, timeoutMs: 5_000 },
      count: 1,
      waiting: 1,
      isGrowth: false,
      held: { busy: 0, busyForMs: 0 },
    });
    await requests[0]!.grant([at("a")]);
    const [first, second] = [await waiting[0]!, await waiting[1]!];
    expect([first, second]).toEqual([first, first]);
    // The third finds both places taken: one more request stands for it, and whichever is first serves it.
    expect(requests.map(({ wanted }) => wanted.isGrowth)).toEqual([false, false]);
    expect(book.take(khop)).toBeNull();
    book.done(first!, 1, 0);
    expect(await waiting[2]!).toBe(first);
    expect(requests[1]!.signal.aborted).toBe(false);
    expect(book.waiting).toBe(0);
  });

  test("takes the instance where a call is done first: fewest calls times what one takes, here where that is the same", async () => {
    const { book, held } = setUp();
    await held(at("there", "other"), at("here"));
    const [first, second] = [take(book), take(book)];
    expect([first.id, second.id]).toEqual(["here", "there"]);
    book.done(second, 40, 0);
    book.done(first, 1, 0);
    expect([take(book).id, take(book).id]).toEqual(["here", "here"]);
    expect(take(book).id).toBe("there");
  });

  test("a call that came to nothing says nothing of what calls take", async () => {
    const { book, held } = setUp();
    await held(at("there", "other"), at("here"));
    const [first, second] = [take(book), take(book)];
    expect([first.id, second.id]).toEqual(["here", "there"]);
    book.failed(second);
    book.done(first, 40, 0);
    expect([second.meanMs, second.running, second.calls]).toEqual([1, 0, 0]);
  });

  test("a call that is cancelled waits no more; what was asked for it is held when it comes, and goes back unused", async () => {
    const { book, requests } = setUp();
    const cancel = new AbortController();
    const call = book.wait(khop, 1_000, cancel.signal);
    cancel.abort();
    await expect(call).rejects.toMatchObject({ code: "CANCELLED" });
    expect(book.waiting).toBe(0);
    await requests[0]!.grant([at("a")]);
    expect([requests.length, book.size]).toEqual([1, 1]);
    for (let beats = 0; beats < 2; beats++) book.uses(500);
    expect([book.size, book.returning.returned]).toEqual([0, ["a"]]);
  });

  test("what was asked for a call that found another instance meanwhile is the next calls'", async () => {
    const { book, requests, held } = setUp();
    await held(at("a"));
    const taken = [take(book), take(book)];
    const call = book.wait(khop, 1_000);
    book.done(taken[0]!, 1, 0);
    expect((await call)!.id).toBe("a");
    await requests[1]!.grant([at("b"), at("c")]);
    expect([book.size, take(book).id]).toEqual([3, "b"]);
  });

  test("holds what came too late for the calls that waited for it, so that the next one has it, but not for long", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const { book, requests } = setUp();
    const call = book.wait(khop, 10_000);
    await vi.advanceTimersByTimeAsync(2_000);
    expect(await call).toBeNull();
    await requests[0]!.grant([at("a"), at("b")]);
    const heldAfter = (beats: number): number => {
      for (let beat = 0; beat < beats; beat++) book.uses(500);
      return book.size;
    };
    expect([heldAfter(19), heldAfter(1)]).toEqual([2, 0]);
    void book.wait(khop, 10_000);
    await requests[1]!.grant([at("c"), at("d")]);
    expect(heldAfter(2), "one came to it").toBe(1);
    book.close();
  });

  describe("of a node that is told to wait for the instances that it holds", () => {
    /** Two instances, whose last calls began at 15 and at 20, and a call that is told to wait at 30. */
    const setUpWaiting = async (waitMs: number) => {
      const { book, requests, clock, held } = setUp();
      await held(at("a"), at("b"));
      const taken: BookedInstance[] = [];
      for (clock.nowMs = 5; clock.nowMs <= 20; clock.nowMs += 5) taken.push(take(book));
      clock.nowMs = 30;
      const call = book.wait(khop, 5_000);
      expect(requests).toHaveLength(2);
      vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
      await requests[1]!.pause(waitMs);
      return { book, requests, clock, taken, call };
    };

    test("says how many are busy and for how long, and calls are served by those, without another request", async () => {
      const { book, requests, taken, call } = await setUpWaiting(100);
      expect(requests[1]!.wanted).toMatchObject({ count: 1, held: { busy: 2, busyForMs: 30 - (15 + 20) / 2 } });
      const next = book.wait(khop, 5_000);
      book.done(taken[0]!, 25, 0);
      book.done(taken[1]!, 25, 0);
      expect([await call, await next]).toEqual(taken.slice(0, 2));
      await vi.advanceTimersByTimeAsync(1_000);
      expect(requests).toHaveLength(2);
    });

    test("asks again when that time is over, and calls still wait", async () => {
      const { requests, call, taken, book } = await setUpWaiting(100);
      await vi.advanceTimersByTimeAsync(99);
      expect(requests).toHaveLength(2);
      await vi.advanceTimersByTimeAsync(1);
      expect(requests).toHaveLength(3);
      await requests[2]!.grant([at("c")]);
      expect((await call)!.id).toBe("c");
      book.done(taken[0]!, 1, 0);
    });

    test("asks no sooner than in 10 ms", async () => {
      const { requests } = await setUpWaiting(0.5);
      await vi.advanceTimersByTimeAsync(9);
      expect(requests).toHaveLength(2);
      await vi.advanceTimersByTimeAsync(1);
      expect(requests).toHaveLength(3);
    });

    test("asks at once when calls wait for more instances", async () => {
      const { book, requests } = await setUpWaiting(100);
      void book.wait(khop, 5_000);
      expect(requests).toHaveLength(2);
      void book.wait(khop, 5_000);
      expect(requests.slice(2).map(({ wanted }) => wanted.count)).toEqual([2]);
      book.close();
    });

    test.each(["revoked", "gone", "broken", "expired"] as const)(
      "asks at once when one of them is %s",
      async (what) => {
        const { book, requests, taken } = await setUpWaiting(100);
        const [{ id }] = taken as [BookedInstance];
        if (what === "broken") book.drop(taken[0]!, true);
        else if (what === "expired") book.expireAll();
        else book.answered({ ...NOTHING, [what]: [id] }, []);
        expect(requests.slice(2).map(({ wanted }) => wanted.held.busy)).toEqual([what === "expired" ? 0 : 1]);
        book.close();
      },
    );

    test("what is lent meanwhile, as growth, serves them", async () => {
      const { book, requests, clock, held } = setUp();
      await held(at("a"));
      book.done(take(book), 10, 9_000);
      clock.nowMs = 100;
      const taken = [take(book), take(book)];
      const growth = requests.find(({ wanted }) => wanted.isGrowth)!;
      const call = book.wait(khop, 5_000);
      await requests.at(-1)!.pause(1_000);
      await growth.grant([at("b")]);
      expect((await call)!.id).toBe("b");
      for (const one of taken) book.done(one, 1, 0);
      book.close();
    });

    test("asks anew for calls that come when those have been served to which it was said", async () => {
      const { book, requests, taken, call, clock } = await setUpWaiting(1_500);
      book.done(taken[0]!, 25, 0);
      await call;
      clock.nowMs = 40;
      const next = book.wait(khop, 5_000);
      expect(requests).toHaveLength(3);
      // Nobody waits any more when the answer comes.
      book.done(taken[1]!, 25, 0);
      await next;
      await requests[2]!.pause(1_500);
      clock.nowMs = 50;
      void book.wait(khop, 5_000);
      expect(requests).toHaveLength(4);
      book.close();
    });

    test("asks no sooner than in 10 ms for those either, unless they are more", async () => {
      const { book, requests, taken, call } = await setUpWaiting(1_500);
      book.done(taken[0]!, 25, 0);
      await call;
      const next = [book.wait(khop, 5_000)];
      await vi.advanceTimersByTimeAsync(9);
      expect(requests).toHaveLength(2);
      await vi.advanceTimersByTimeAsync(1);
      expect(requests).toHaveLength(3);
      for (const one of taken.slice(1)) book.done(one, 25, 0);
      await requests[2]!.pause(1_500);
      await Promise.all(next);
      book.close();
    });

    test("asks at once where a beat had no answer", async () => {
      const { book, requests, call } = await setUpWaiting(1_500);
      book.askAnew();
      expect(requests).toHaveLength(3);
      await requests[2]!.refuse(new LocusError("PEER_UNAVAILABLE", "nobody"));
      expect(await call).toBeNull();
    });

    test("tells how long calls waited that came to an instance, whatever they were told and whichever it was", async () => {
      const { book, requests, taken, call, clock } = await setUpWaiting(100);
      book.uses(30);
      const others = [book.wait(khop, 5_000), book.wait(khop, 5_000)];
      // Two more than one instance takes: asked anew at 30, and answered at 50.
      clock.nowMs = 40;
      book.done(taken[0]!, 35, 0);
      await call;
      clock.nowMs = 50;
      await requests[2]!.grant([at("c")]);
      await Promise.all(others);
      const waits = book.uses(20).map(({ id, waitedMs }) => [id, waitedMs]);
      expect(waits).toEqual([
        ["a", 10],
        ["b", 0],
        ["c", 20],
      ]);
      expect(book.waits()).toEqual([]);
      book.close();
    });

    test("tells how many wait, with each request and beat, and how long those have that left without an instance", async () => {
      const { book, requests, clock, call } = await setUpWaiting(1_000);
      const cancel = new AbortController();
      const others = Array.from({ length: 3 }, () => book.wait(khop, 5_000, cancel.signal).catch(() => null));
      // In instances: two calls fill one.
      expect(requests.slice(1).map(({ wanted }) => wanted.waiting)).toEqual([1, 2]);
      expect(book.waits()).toEqual([{ key: "khop@1", waiting: 2, left: 0, leftWaitMs: 0 }]);
      clock.nowMs = 130;
      cancel.abort();
      await Promise.all(others);
      expect(book.waits()).toEqual([{ key: "khop@1", waiting: 1, left: 2, leftWaitMs: 100 }]);
      clock.nowMs = 230;
      book.close();
      await call;
      expect(book.waits()).toEqual([{ key: "khop@1", waiting: 0, left: 1, leftWaitMs: 200 }]);
      expect(book.waits()).toEqual([]);
    });

    test("tells of as many functions as a beat takes, and of the others' calls with the next", async () => {
      const { book } = setUp();
      const cancel = new AbortController();
      const functions = Array.from({ length: WAITED_MAX + 1 }, (_, index) => ({ ...khop, version: `v${index}` }));
      const calls = functions.map((one) => book.wait(one, 1_000, cancel.signal).catch(() => null));
      cancel.abort();
      await Promise.all(calls);
      expect([book.waits(), book.waits(), book.waits()].map(({ length }) => length)).toEqual([WAITED_MAX, 1, 0]);
    });

    test("a node that leaves waits for nothing", async () => {
      const { book, requests, call } = await setUpWaiting(100);
      book.close();
      expect(await call).toBeNull();
      await vi.advanceTimersByTimeAsync(1_000);
      expect(requests).toHaveLength(2);
    });
  });

  test("a call with little time waits for a part of it, and runs without; the one too many is refused at once", async () => {
    vi.useFakeTimers();
    const { book } = setUp();
    const short = book.wait(khop, 100);
    await vi.advanceTimersByTimeAsync(50);
    expect(await short).toBeNull();
    expect(book.without.late).toBe(1);
    const cancel = new AbortController();
    const waiting = Array.from({ length: 10_000 }, () => book.wait(khop, 60_000, cancel.signal).catch(() => null));
    await expect(book.wait(khop, 60_000)).rejects.toMatchObject({ code: "OVERLOADED" });
    cancel.abort();
    expect(new Set(await Promise.all(waiting))).toEqual(new Set([null]));
  });

  describe("of a function that may have three instances at most, as people said", () => {
    const refusal = (forMs: number, why = "") => ({
      code: "OVERLOADED",
      message: `khop got no instance in ${forMs} ms${why}, and may have 3 at most: raise that with "locus scale khop --max", or call again later`,
    });

    test("has calls wait for half of the time that they have, and refuses them then", async () => {
      vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
      const { book, requests, clock } = setUp(3);
      const [served, late] = [book.wait(khop, 20_000), book.wait({ ...khop, version: "2" }, 20_000)];
      late.catch(() => {});
      clock.nowMs = 9_999;
      await vi.advanceTimersByTimeAsync(9_999);
      expect(book.waiting).toBe(2);
      await requests[0]!.grant([at("a")]);
      expect((await served)!.id).toBe("a");
      clock.nowMs = 10_000;
      await vi.advanceTimersByTimeAsync(1);
      await expect(late).rejects.toMatchObject(refusal(10_000));
      expect([book.waiting, book.without.late]).toEqual([0, 0]);
      expect(book.waits()).toMatchObject([{ key: "khop@2", left: 1, leftWaitMs: 10_000 }]);
    });

    test.each(["PEER_UNAVAILABLE", "NODE_NOT_FOUND"] as const)(
      "has calls ask again where nobody answers for now (%s), and run without when nobody has for long",
      async (code) => {
        vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
        const { book, requests, clock } = setUp(3);
        const asked = () => requests.filter(({ wanted }) => !wanted.isGrowth);
        // However late the first call comes.
        clock.nowMs = 8_000;
        const [first, second, forsaken] = Array.from({ length: 3 }, () => book.wait(khop, 60_000));
        await asked()[0]!.refuse(new LocusError(code, "nobody"));
        expect([book.waiting, asked().length]).toEqual([3, 1]);
        await vi.advanceTimersByTimeAsync(500);
        await asked()[1]!.grant([at("a")]);
        expect([(await first)!.id, (await second)!.id]).toEqual(["a", "a"]);
        await asked()[2]!.refuse(new LocusError(code, "nobody"));
        expect(book.waiting).toBe(1);
        clock.nowMs += 5_000;
        book.expireAll();
        await asked()[3]!.refuse(new LocusError(code, "nobody"));
        expect(await forsaken).toBeNull();
        const next = book.wait(khop, 60_000);
        await asked()[4]!.refuse(new LocusError(code, "nobody"));
        expect([await next, book.takeHere(khop)]).toEqual([null, null]);
        expect(book.without).toMatchObject({ "no-scheduler": 2, "not-here": 1 });
        // Somebody does again: what could not be asked for is, with the next beat.
        book.answered(NOTHING, []);
        const last = book.wait(khop, 60_000);
        await asked()[5]!.refuse(new LocusError(code, "nobody"));
        expect([book.waiting, asked().length]).toEqual([1, 6]);
        book.answered(NOTHING, []);
        await asked()[6]!.grant([at("b")]);
        expect((await last)!.id).toBe("b");
      },
    );

    test("has calls wait on after an answer that says nothing of instances", async () => {
      vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
      const { book, requests, clock } = setUp(3);
      clock.nowMs = 60_000;
      const call = book.wait(khop, 60_000);
      for (const [index, code] of (
        ["UNAUTHENTICATED", "INTERNAL", "CANCELLED", "PERMISSION_DENIED"] as const
      ).entries()) {
        await requests[index]!.refuse(new LocusError(code, "odd"));
        expect(book.waiting).toBe(1);
        await vi.advanceTimersByTimeAsync(500);
      }
      await requests[4]!.refuse(new Error("a defect"));
      await vi.advanceTimersByTimeAsync(500);
      await requests[5]!.grant([at("a")]);
      expect((await call)!.id).toBe("a");
    });

    test("asks at once for a call that comes when nobody waits for what was refused", async () => {
      const { book, requests } = setUp(3);
      const cancel = new AbortController();
      const call = book.wait(khop, 60_000, cancel.signal).catch(() => null);
      cancel.abort();
      await call;
      await requests[0]!.refuse(new LocusError("NODE_NOT_FOUND", "not yet"));
      void book.wait(khop, 60_000).catch(() => null);
      expect(requests).toHaveLength(2);
      book.close();
    });

    test("has no more calls wait than leave room for others, and refuses the next at once", async () => {
      const { book } = setUp(3);
      const cancel = new AbortController();
      const waiting = Array.from({ length: 256 }, () => book.wait(khop, 60_000, cancel.signal).catch(() => null));
      await expect(book.wait(khop, 60_000)).rejects.toMatchObject(refusal(0, " (256 of its calls wait already)"));
      const other = book.wait({ ...khop, name: "walk", version: "w" }, 60_000, cancel.signal).catch(() => null);
      expect(book.waiting).toBe(257);
      cancel.abort();
      await Promise.all([...waiting, other]);
      // As many as may run at once; half of what a node takes.
      const { book: huge } = setUp(1_000);
      const { book: roomy } = setUp(200);
      const again = new AbortController();
      const many = Array.from({ length: 400 }, () => roomy.wait(khop, 60_000, again.signal).catch(() => null));
      expect(roomy.waiting).toBe(400);
      await expect(roomy.wait(khop, 60_000)).rejects.toMatchObject({ code: "OVERLOADED" });
      const more = Array.from({ length: 512 }, () => huge.wait(khop, 60_000, again.signal).catch(() => null));
      await expect(huge.wait(khop, 60_000)).rejects.toMatchObject({ code: "OVERLOADED" });
      expect(huge.waiting).toBe(512);
      again.abort();
      await Promise.all([...many, ...more]);
    });

    test("has calls that wait go by what people say meanwhile", async () => {
      vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
      const { book, said } = setUp(null);
      const [call, later] = [book.wait(khop, 20_000), book.wait(khop, 30_000)];
      said.most = 3;
      await vi.advanceTimersByTimeAsync(9_999);
      expect(book.waiting).toBe(2);
      call.catch(() => {});
      await vi.advanceTimersByTimeAsync(1);
      await expect(call).rejects.toMatchObject({ code: "OVERLOADED" });
      said.most = null;
      await vi.advanceTimersByTimeAsync(2_000);
      expect(await later).toBeNull();
      expect(book.without.late).toBe(1);
    });

    test.each(["FUNCTION_NOT_FOUND", "VERSION_NOT_FOUND"] as const)(
      "leaves it to the node what becomes of calls of a version that is there no more (%s)",
      async (code) => {
        const { book, requests } = setUp(3);
        const call = book.wait(khop, 1_000);
        await requests[0]!.refuse(new LocusError(code, "it is gone"));
        expect(await call).toBeNull();
        expect(book.without).toMatchObject({ replaced: 1, refused: 0 });
      },
    );

    test("refuses calls at once where whoever schedules gives none, with what that says", async () => {
      const { book, requests } = setUp(3);
      const call = book.wait(khop, 1_000);
      call.catch(() => {});
      await requests[0]!.refuse(new LocusError("NODES_EXHAUSTED", "too large"));
      await expect(call).rejects.toMatchObject({ code: "NODES_EXHAUSTED", message: "too large" });
      expect(book.without.refused).toBe(0);
    });

    test("refuses calls that wait when their node stops, and those that come then", async () => {
      const { book } = setUp(3);
      const waiting = book.wait(khop, 1_000);
      book.close();
      const stopping = {
        code: "OVERLOADED",
        message: "this node stops, and khop runs on instances alone: call again",
      };
      await expect(waiting).rejects.toMatchObject(stopping);
      await expect(book.wait(khop, 1_000)).rejects.toMatchObject(stopping);
      expect(book.without.stopping).toBe(0);
    });
  });

  test("calls run without an instance where nobody schedules, and none is refused for that", async () => {
    const { book, requests } = setUp();
    const calls = [book.wait(khop, 1_000), book.wait(khop, 1_000)];
    await requests[0]!.refuse(new LocusError("PEER_UNAVAILABLE", "nobody"));
    expect(await Promise.all(calls)).toEqual([null, null]);
    const large = book.wait(khop, 1_000);
    await requests[1]!.refuse(new LocusError("NODES_EXHAUSTED", "too large"));
    expect(await large).toBeNull();
    expect(book.without).toMatchObject({ "no-scheduler": 2, refused: 1, late: 0 });
    const many = book.wait(khop, 1_000);
    many.catch(() => {});
    await requests[2]!.refuse(new LocusError("OVERLOADED", "full"));
    await expect(many).rejects.toMatchObject({ code: "OVERLOADED" });
  });

  test("gives up what it has asked of whoever does not answer, and asks whoever is there then", async () => {
    const { book, held, requests, clock } = setUp();
    await held(at("a", "other"));
    expect(requests.map(({ wanted }) => wanted.isGrowth)).toEqual([false, true]);
    const taken = [take(book), take(book)];
    const call = book.wait(khop, 60_000);
    expect(requests).toHaveLength(3);
    book.askAnew();
    expect(requests.map(({ signal }) => signal.aborted)).toEqual([false, false, true]);
    book.askAnother();
    expect(requests.map(({ signal }) => signal.aborted)).toEqual([false, true, true]);
    await vi.waitFor(() => expect(requests).toHaveLength(4));
    await requests[3]!.refuse(new LocusError("PEER_UNAVAILABLE", "nobody"));
    expect(await call).toBeNull();
    clock.nowMs = 1_000;
    for (const one of taken) book.done(one, 10, 9_000_000);
    for (const one of [take(book), take(book)]) book.done(one, 1, 0);
    expect(requests.at(-1)!.wanted.isGrowth).toBe(true);
    expect(requests).toHaveLength(5);
  });

  test("tells what instances did, and gives back those that are not used", async () => {
    const { book, held } = setUp();
    await held(at("a"), at("b"));
    const used = take(book);
    book.done(used, 1, 5_000);
    expect(book.uses(10)).toMatchObject([
      { id: "a", calls: 2, cpus: 0.5 },
      { id: "b", calls: 0, cpus: 0 },
    ]);
    const running = take(book);
    expect(book.uses(10).map(({ id }) => id)).toEqual(["a"]);
    expect(book.returning.returned).toEqual(["b"]);
    book.uses(10);
    book.uses(10);
    expect(book.size).toBe(1);
    book.answered(NOTHING, ["b"]);
    expect(book.returning.returned).toEqual([]);
    book.done(running, 1, 0);
  });

  test("says whether calls may run on other nodes", async () => {
    const { book, held } = setUp();
    expect(book.isElsewhere).toBe(false);
    await held(at("a"), at("b", "other"));
    expect(book.isElsewhere).toBe(true);
    book.answered({ ...NOTHING, gone: ["b"] }, []);
    expect(book.isElsewhere).toBe(false);
  });

  test("tells how long calls ran, how long their instance was in use, and since when it is, or is not", async () => {
    const { book, held, clock } = setUp();
    clock.nowMs = 100;
    await held(at("a"));
    expect(book.uses(100)).toEqual([
      {
        id: "a",
        calls: 1,
        executionMs: 1,
        cpus: 0,
        usedMs: 0,
        beganAgoMs: 0,
        isUsed: false,
        unusedForMs: 0,
        waitedMs: 0,
        lackedMemory: false,
      },
    ]);
    clock.nowMs = 200;
    const [first, second] = [take(book), take(book)];
    clock.nowMs = 230;
    book.done(first, 30, 0);
    clock.nowMs = 250;
    book.done(second, 50, 0);
    clock.nowMs = 500;
    const third = take(book);
    clock.nowMs = 600;
    const told = { cpus: 0, usedMs: 150, beganAgoMs: 400, isUsed: true, unusedForMs: 0, waitedMs: 0 };
    expect(book.uses(500)).toEqual([{ id: "a", calls: 2, executionMs: 80, ...told, lackedMemory: false }]);
    clock.nowMs = 700;
    book.failed(third);
    clock.nowMs = 1_100;
    // One that came to nothing used it all the same.
    const more = { cpus: 0, usedMs: 100, beganAgoMs: 500, isUsed: false, unusedForMs: 400, waitedMs: 0 };
    expect(book.uses(500)).toEqual([{ id: "a", calls: 0, executionMs: 0, ...more, lackedMemory: false }]);
  });

  test("tells of a long call as much CPU as it used while it ran, and never more than its node has", async () => {
    const { book, held, clock } = setUp();
    await held(at("a"));
    const [long, wrong] = [take(book), take(book)];
    for (clock.nowMs = 500; clock.nowMs < 6_000; clock.nowMs += 500) book.uses(500);
    book.done(long, 6_000, 3_000_000);
    const [told] = book.uses(500);
    expect(told!.calls).toBe(1);
    expect(told!.cpus).toBeCloseTo(0.5);
    clock.nowMs = 6_001;
    book.done(wrong, 6_001, 60_000_000);
    expect(book.uses(1)).toMatchObject([{ calls: 1, cpus: 2 }]);
  });

  test("tells once more of what it has given back, where there is something to tell", async () => {
    const { book, held, clock } = setUp();
    await held(at("a"), at("b"));
    book.uses(10);
    const last = take(book);
    clock.nowMs = 20;
    book.answered({ ...NOTHING, revoked: ["a", "b"] }, []);
    book.done(last, 20, 0);
    expect(book.returning.returned.toSorted()).toEqual(["a", "b"]);
    expect(book.uses(20)).toMatchObject([{ id: "a", calls: 1, executionMs: 20, isUsed: false }]);
    expect(book.uses(20)).toEqual([]);
  });

  test("gives calls that stay here an instance that is here, and asks for one where there is none at all", async () => {
    const { book, requests, clock } = setUp();
    expect(book.takeHere(khop)).toBeNull();
    expect(requests.map(({ wanted }) => wanted.isGrowth)).toEqual([true]);
    await requests[0]!.grant([at("there", "other")]);
    clock.nowMs = 1_000;
    expect([book.takeHere(khop), requests.length]).toEqual([null, 1]);
    expect([book.without["not-here"], book.counts.taken]).toEqual([2, 0]);
    expect([take(book).id, take(book).id]).toEqual(["there", "there"]);
    const call = book.wait(khop, 1_000);
    await requests.at(-1)!.grant([at("here")]);
    book.done((await call)!, 1, 0);
    const taken = [book.takeHere(khop), book.takeHere(khop), book.takeHere(khop)];
    expect(taken.map((instance) => instance?.id)).toEqual(["here", "here", undefined]);
    expect(book.counts.taken).toBe(5);
  });

  describe("of a node that holds as many as it can tell of", () => {
    const functions = Array.from({ length: 100 }, (_, index) => ({ ...khop, version: `v${index}` }));
    /** Two more are lent than it may hold. */
    const setUpFull = async (most: number | null = null) => {
      const { book, requests } = setUp(most);
      for (const one of functions) {
        const call = book.wait(one, 1_000);
        const asked = requests.filter(({ wanted }) => !wanted.isGrowth).at(-1)!;
        const length = LEASES_MAX / functions.length + (one === functions.at(-1) ? 2 : 0);
        await asked.grant(Array.from({ length }, (_, index) => at(`${one.version}-${index}`, "other")));
        book.done((await call)!, 1, 0);
      }
      return { book, asked: requests.length, requests };
    };

    test("gives back what comes beyond, and asks for no more", async () => {
      const { book, asked, requests } = await setUpFull();
      expect([book.size, book.returning.returned]).toEqual([LEASES_MAX, ["v99-100", "v99-101"]]);
      // Who has none runs without, at once; who has some waits for these.
      expect(await book.wait(khop, 5_000)).toBeNull();
      expect(book.without.refused).toBe(1);
      expect(book.takeHere({ ...khop, version: "none" })).toBeNull();
      const [first] = functions;
      const calls = LEASES_MAX / functions.length;
      const taken = Array.from({ length: calls * limits.concurrency }, () => book.take(first!)!);
      const waiting = book.wait(first!, 5_000);
      expect([requests.length, book.waiting]).toEqual([asked, 1]);
      book.done(taken[0]!, 1, 0);
      expect(await waiting).toBe(taken[0]);
    });

    test("has calls wait that may not run without, and asks for them when it holds fewer", async () => {
      const { book, asked, requests } = await setUpFull(3);
      vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
      const calls = [book.wait(khop, 60_000), book.wait(khop, 60_000)];
      await vi.advanceTimersByTimeAsync(1_000);
      expect([requests.length, book.waiting]).toEqual([asked, 2]);
      const given = [...book.returning.returned, "v0-0"];
      book.answered({ ...NOTHING, revoked: ["v0-0"] }, []);
      book.answered(NOTHING, given);
      await vi.advanceTimersByTimeAsync(500);
      expect(requests).toHaveLength(asked + 1);
      await requests.at(-1)!.grant([at("room")]);
      expect((await Promise.all(calls)).map((instance) => instance!.id)).toEqual(["room", "room"]);
    });

    test("tells of what it gives back as far as a beat takes it, and of the rest with the next", async () => {
      const { book, requests } = await setUpFull();
      const used = book.take(functions[0]!)!;
      book.drop(used, true);
      // What it had asked for before comes in its place; of calls on the one that it has given back there is no room to tell.
      await requests.find(({ wanted }) => wanted.isGrowth)!.grant([at("late", "other")]);
      const rest = book.uses(500);
      expect(rest.map(({ id }) => id)).not.toContain(used.id);
      expect(rest).toHaveLength(LEASES_MAX);
      book.answered({ ...NOTHING, revoked: rest.map(({ id }) => id) }, []);
      const { returned, broken } = book.returning;
      expect([returned.length, broken]).toEqual([RETURNED_MAX - 1, [used.id]]);
      book.answered(NOTHING, [...returned, ...broken]);
      expect(book.returning.broken).toEqual([]);
      expect(book.returning.returned).toHaveLength(LEASES_MAX + 2 - (RETURNED_MAX - 1));
    });
  });

  test("gives back at once what is not used where somebody finds no room", async () => {
    const { book, held } = setUp();
    await held(at("a"), at("b"));
    book.uses(10);
    book.answered({ ...NOTHING, isPressed: true }, []);
    expect(book.returning.returned).toEqual(["b"]);
  });

  test("sends nothing to what was revoked, gives it back with its last call, and aborts what is gone", async () => {
    const { book, held, requests } = setUp();
    await held(at("a"), at("b", "other"));
    const [first, second] = [take(book), take(book)];
    book.answered({ ...NOTHING, revoked: ["a"], gone: ["b"] }, []);
    expect(second.lost.aborted).toBe(true);
    expect(book.take(khop)).toBeNull();
    expect(book.returning.returned).toEqual([]);
    book.done(first, 1, 0);
    book.done(second, 1, 0);
    expect(book.returning.returned).toEqual(["a"]);
    // Lent anew before the return was told: it is not on its way back.
    const call = book.wait(khop, 1_000);
    await requests.at(-1)!.grant([at("a")]);
    expect((await call)!.id).toBe("a");
    expect(book.returning.returned).toEqual([]);
  });

  test("what was revoked and is lent anew while calls run there takes calls again", async () => {
    const { book, held, requests } = setUp();
    await held(at("a"));
    const running = take(book);
    book.answered({ ...NOTHING, revoked: ["a"] }, []);
    const call = book.wait(khop, 1_000);
    await requests.at(-1)!.grant([at("a")]);
    expect(await call).toBe(running);
    for (let ended = 0; ended < 2; ended++) book.done(running, 1, 0);
    expect([take(book), book.returning.returned]).toEqual([running, []]);
  });

  test("an instance that refused a call gets no more, and what runs there goes on", async () => {
    const { book, held } = setUp();
    await held(at("a", "other"));
    const [running, refused] = [take(book), take(book)];
    book.drop(refused, false);
    book.done(refused, 1, 0);
    expect([book.take(khop), running.lost.aborted, book.returning.returned]).toEqual([null, false, ["a"]]);
    book.done(running, 1, 0);
    expect(book.returning.returned).toEqual(["a"]);
  });

  test("tells of an instance that its node does not have, until somebody was told", async () => {
    const { book, held } = setUp();
    await held(at("a", "other"));
    const refused = take(book);
    book.drop(refused, true);
    book.done(refused, 1, 0);
    expect(book.returning).toEqual({ returned: [], broken: ["a"] });
    book.answered(NOTHING, ["a"]);
    expect(book.returning).toEqual({ returned: [], broken: [] });
  });

  test("asks for more where calls in flight compute more than the instances' threads can", async () => {
    const { book, held, requests, clock } = setUp();
    await held(at("a"));
    book.done(take(book), 10, 9_000);
    clock.nowMs = 100;
    const before = requests.length;
    const running = [take(book), take(book)];
    const growth = requests.slice(before);
    expect(growth.map(({ wanted }) => wanted.isGrowth)).toEqual([true]);
    await growth[0]!.grant([at("b", "other")]);
    expect(take(book).id).toBe("b");
    // Not again so soon, and not while computing is little of what calls do.
    expect(requests).toHaveLength(before + 1);
    for (const one of running) book.done(one, 100, 10);
    for (let call = 0; call < 200; call++) book.done(take(book), 100, 10);
    clock.nowMs = 10_000;
    take(book);
    expect(requests).toHaveLength(before + 1);
  });

  test("says with growth on what calls run, and nothing of what is idle", async () => {
    const { book, held, requests, clock } = setUp();
    await held(at("a"), at("b"));
    // Here a call takes longer: the next ones go elsewhere.
    book.done(take(book), 100, 99_000);
    clock.nowMs = 100;
    const first = take(book);
    clock.nowMs = 130;
    expect(take(book)).toBe(first);
    expect(requests.slice(1).map(({ wanted: { isGrowth, held: busy } }) => [isGrowth, busy])).toEqual([
      [true, { busy: 1, busyForMs: 0 }],
    ]);
  });

  test("holds nothing any more when all has expired, and calls that run go on", async () => {
    const { book, held } = setUp();
    await held(at("a"));
    const running = take(book);
    book.expireAll();
    expect([book.size, book.take(khop), book.uses(1)]).toEqual([0, null, []]);
    book.done(running, 1, 0);
    expect(book.returning.returned).toEqual([]);
  });

  test("never runs more calls on an instance than it takes, and none on one that is over, whatever happens", async () => {
    const step = record({
      what: constantFrom("take", "done", "lend", "gone", "revoked", "beat", "expire"),
      which: integer({ min: 0, max: 7 }),
    });
    assert(
      property(array(step, { maxLength: 100, size: "max" }), (steps) => {
        const { book, requests } = setUp();
        const running: BookedInstance[] = [];
        const over = new Set<string>();
        let wrong = false;
        void book.wait(khop, 60_000).then((instance) => instance !== null && running.push(instance));
        for (const { what, which } of steps) {
          const id = `i${which}`;
          if (what === "take") {
            const instance = book.take(khop);
            if (instance === null) continue;
            wrong ||= over.has(instance.id) || instance.running > limits.concurrency;
            running.push(instance);
          } else if (what === "done" && running.length > 0)
            book.done(running.splice(which % running.length, 1)[0]!, 1, 500);
          else if (what === "lend") void requests.at(-1)!.grant([at(`${id}-${requests.length}`)]);
          else if (what === "gone" || what === "revoked") {
            const one = running[which % Math.max(1, running.length)];
            if (one === undefined) continue;
            over.add(one.id);
            book.answered({ ...NOTHING, [what]: [one.id] }, []);
          } else if (what === "beat") book.uses(1);
          else if (what === "expire") book.expireAll();
        }
        expect(wrong).toBe(false);
        for (const one of running) expect(one.running).toBeGreaterThan(0);
        book.close();
      }),
    );
  });
});
