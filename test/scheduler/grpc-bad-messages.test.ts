// Bytes that no client of the contracts would send, to every method of every service: each call gets a status, nothing reaches what
// is behind the services but sound values, and the listener goes on.

import { Client, credentials, type ServiceError } from "@grpc/grpc-js";
import * as fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { LocusError } from "#runtime/errors.ts";
import { apiServerService } from "#scheduler/grpc/api-server-service.ts";
import { funcLocService } from "#scheduler/grpc/func-loc-service.ts";
import { nodeService } from "#scheduler/grpc/node-service.ts";
import { platformService } from "#scheduler/grpc/platform-service.ts";
import { resourceManagerService } from "#scheduler/grpc/resource-manager-service.ts";
import { scalerService } from "#scheduler/grpc/scaler-service.ts";
import { schedulerService } from "#scheduler/grpc/scheduler-service.ts";
import { serve, type Served } from "./served.ts";

const RUNS = 1_500;
const PATHS = [
  ...["AcquireContainer", "ReturnContainer"].map((name) => `/schedulerproto.Scheduler/${name}`),
  ...["ReserveNode", "ReleaseNode", "GetNodesUsage"].map((name) => `/resourcemanagerproto.ResourceManager/${name}`),
  ...["Reserve", "CreateContainer", "RemoveContainer", "InvokeFunction", "GetStats"].map(
    (name) => `/nodeservoceproto.NodeService/${name}`,
  ),
  ...["InvokeFunction", "ListFunctions"].map((name) => `/apiserverproto.APIServer/${name}`),
  ...["Assign", "Idle"].map((name) => `/serverless.simulator.Scaler/${name}`),
  ...["CreateSlot", "DestroySlot", "Init"].map((name) => `/serverless.simulator.Platform/${name}`),
  ...["Invoke", "Batch"].map((name) => `/funcloc.FuncLoc/${name}`),
];

const resources = new AsyncDisposableStack();
/** What a port was given that it should never be. */
const unsound: unknown[] = [];
let served: Served;
let client: Client;

/** Whatever method a service calls, its arguments are looked at, and it fails with words of theirs: as it should, or as nobody foresaw. */
const suspicious = new Proxy(
  {},
  {
    get:
      () =>
      async (...args: unknown[]): Promise<never> => {
        const words = wordsOf(args);
        if (words.includes("defect")) throw new Error("nobody foresaw this");
        throw new LocusError("INSTANCE_NOT_FOUND", `there is no ${words.join(" ")}`);
      },
  },
) as never;

/** All texts in it; what is not sound is noted. */
function wordsOf(value: unknown): string[] {
  if (typeof value === "number" && !Number.isSafeInteger(value)) unsound.push(value);
  if (typeof value === "string" && value.length > 64 * 1024) unsound.push(value.length);
  if (typeof value === "string") return [value];
  if (typeof value !== "object" || value === null || value instanceof Uint8Array || value instanceof AbortSignal)
    return [];
  return Object.values(value).flatMap(wordsOf);
}

beforeAll(async () => {
  served = await serve(resources, {
    "schedulerproto.Scheduler": schedulerService(suspicious),
    "resourcemanagerproto.ResourceManager": resourceManagerService(suspicious),
    "nodeservoceproto.NodeService": nodeService(suspicious),
    "apiserverproto.APIServer": apiServerService(suspicious),
    "serverless.simulator.Scaler": scalerService(suspicious),
    "serverless.simulator.Platform": platformService(suspicious),
    "funcloc.FuncLoc": funcLocService(suspicious),
  });
  client = new Client(served.endpoint, credentials.createInsecure());
  resources.defer(() => client.close());
});
afterAll(() => resources.disposeAsync());

/** The number of the status. */
function send(path: string, bytes: Uint8Array): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<number>();
  const same = (buffer: Buffer): Buffer => buffer;
  client.makeUnaryRequest(path, same, same, Buffer.from(bytes), (error: ServiceError | null) =>
    resolve(error?.code ?? 0),
  );
  return promise;
}

/** Pieces of which protobuf is made, well put together and not. */
const varint = fc.bigInt(0n, 2n ** 64n - 1n).map((value) => {
  const bytes = [];
  for (let rest = value; ; rest >>= 7n) {
    if (rest < 128n) return Uint8Array.from([...bytes, Number(rest)]);
    bytes.push(Number(rest & 127n) | 128);
  }
});
const join = (...parts: readonly (Uint8Array | readonly number[])[]): Uint8Array =>
  Uint8Array.from(parts.flatMap((part) => [...part]));
const { message } = fc.letrec<{ readonly message: Uint8Array; readonly field: Uint8Array }>((tie) => ({
  field: fc.oneof(
    { depthSize: "small" },
    fc.tuple(fc.integer({ min: 1, max: 8 }), varint).map(([number, value]) => join([number << 3], value)),
    fc
      .tuple(
        fc.integer({ min: 1, max: 8 }),
        fc.oneof(
          fc.string({ unit: "binary", maxLength: 300 }).map((text) => Buffer.from(text)),
          fc.uint8Array({ maxLength: 300 }),
        ),
      )
      .map(([number, bytes]) => lengthDelimited(number, bytes)),
    fc.tuple(fc.integer({ min: 1, max: 8 }), tie("message")).map(([number, inner]) => lengthDelimited(number, inner)),
    fc
      .tuple(fc.integer({ min: 1, max: 8 }), fc.constantFrom(1, 3, 4, 5, 6, 7))
      .map(([number, type]) => Uint8Array.from([(number << 3) | type])),
  ),
  message: fc.array(tie("field"), { maxLength: 8 }).map((fields) => join(...fields)),
}));

function lengthDelimited(number: number, bytes: Uint8Array): Uint8Array {
  const length = bytes.length < 128 ? [bytes.length] : [(bytes.length & 127) | 128, bytes.length >> 7];
  return join([(number << 3) | 2], length, bytes);
}

test("any bytes are answered with a status, and no port sees what is not sound", { timeout: 120_000 }, async () => {
  const bytes = fc.oneof(message, fc.uint8Array({ maxLength: 200 }));
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...PATHS), bytes, async (path, body) => {
      // OK for a batch or a call of FuncLoc, which tells failures in its reply; otherwise refused, or what the port threw.
      expect([0, 3, 5, 12, 13]).toContain(await send(path, body));
    }),
    { numRuns: RUNS },
  );
  expect(unsound).toEqual([]);
});

test.each([
  ["groups inside one another without end", Buffer.alloc(200_000, 0x0b)],
  ["a length of four gigabytes", Buffer.from([0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f])],
  ["a varint of eleven bytes", Buffer.alloc(11, 0x80)],
])("%s does not end the listener", async (_title, bytes) => {
  for (const path of PATHS) expect([0, 3, 5, 13]).toContain(await send(path, bytes));
});

test("a method that is not there, and a defect, have statuses that tell nothing of what is inside", async () => {
  expect(await send("/schedulerproto.Scheduler/Nothing", new Uint8Array())).toBe(12);
  const acquire = served.client("schedulerproto.Scheduler").call("AcquireContainer", {
    request_id: "defect",
    function_name: "f",
    function_config: { timeout_in_ms: 1, memory_in_bytes: 1 },
  });
  await expect(acquire).rejects.toMatchObject({ code: "INTERNAL", message: expect.not.stringContaining("foresaw") });
});
