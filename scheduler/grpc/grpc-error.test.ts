import { Metadata, type ServiceError, status } from "@grpc/grpc-js";
import * as fc from "fast-check";
import { expect, it } from "vitest";
import { ERRORS, LocusError, type ErrorCode } from "#runtime/errors.ts";
import { errorOf, statusOf } from "./grpc-error.ts";

const codes = Object.keys(ERRORS) as ErrorCode[];
const failed = (code: status, metadata = new Metadata()): ServiceError =>
  Object.assign(new Error("it failed"), { code, details: "it failed", metadata });

it("brings every code over the wire and back", () => {
  for (const code of codes) {
    const sent = statusOf(new LocusError(code, "why"));
    expect(errorOf(failed(sent.code, sent.metadata), "a call").code).toBe(code);
  }
});

it("makes a code of any status of a peer that knows none of ours", () => {
  for (let code = 0; code < 20; code++) expect(codes).toContain(errorOf(failed(code), "a call").code);
  expect(errorOf(failed(status.RESOURCE_EXHAUSTED), "ReserveNode").code).toBe("NODES_EXHAUSTED");
  const lying = new Metadata();
  lying.set("locus-code", "toString");
  expect(errorOf(failed(status.UNAVAILABLE, lying), "a call").code).toBe("PEER_UNAVAILABLE");
});

it("makes of any message details that fit in a header", () => {
  const text = fc.oneof(fc.string({ unit: "binary", maxLength: 3_000 }), fc.constant(`a${"😀".repeat(1_000)}`));
  fc.assert(
    fc.property(text, (message) => {
      const { details } = statusOf(new LocusError("INTERNAL", message));
      expect(encodeURI(details).length).toBeLessThan(16 * 1024);
    }),
  );
});

it("tells nothing of what is no error of the table", () => {
  const { code, details } = statusOf(new TypeError("secret is undefined"));
  expect(code).toBe(status.INTERNAL);
  expect(details).not.toContain("secret");
});

it("tells a call that its connection took along from a defect of the peer", () => {
  const ended = (details: string, metadata?: Metadata) =>
    errorOf(Object.assign(failed(status.INTERNAL, metadata), { details }), "a call").code;
  const reset = "Received RST_STREAM with code";
  const ours = `${reset} 2 triggered by internal client error:`;
  for (const lost of [
    `${reset} 0 (Call ended without gRPC status)`,
    `${reset} 2 (Internal server error)`,
    `${ours} Session closed with error code 2`,
    `${ours} write EPIPE`,
    "Write error: write after end",
  ])
    expect(ended(lost)).toBe("PEER_UNAVAILABLE");
  for (const defect of [
    "it has no such table",
    `${reset} 1`,
    `${reset} 3`,
    `${ours} The stream is already destroyed`,
    `${ours} Invalid value "undefined" for header "a"`,
  ])
    expect(ended(defect)).toBe("INTERNAL");
  const { metadata } = statusOf(new TypeError("a defect"));
  expect(ended("Received RST_STREAM with code 2, as it says", metadata)).toBe("INTERNAL");
});
