import { describe, expect, it } from "vitest";

import { ERRORS, LocusError } from "#runtime/errors.ts";
import { toLocusError } from "./redis-error.ts";

const replyError = (message: string): Error => Object.assign(new Error(message), { name: "ReplyError" });

describe("toLocusError", () => {
  it("finds each code by its first word, and takes the word off the message", () => {
    for (const [code, { redis }] of Object.entries(ERRORS)) {
      expect(toLocusError(replyError(`${redis} because of this`), "try")).toMatchObject({
        code,
        message: "because of this",
      });
    }
  });

  it.each([
    ["ERR unknown command 'LOCUS.NODE', with args beginning with: 'RUN'", "MODULE_MISSING"],
    ["READONLY You can't write against a read only replica.", "STORAGE_REFUSED"],
    ["LOADING Redis is loading the dataset in memory", "STORAGE_REFUSED"],
    ["BUSY Redis is busy running a script.", "STORAGE_REFUSED"],
    ["ERR max number of clients reached", "REDIS_UNAVAILABLE"],
    ["UNBLOCKED force unblock from blocking operation, instance state changed", "REDIS_UNAVAILABLE"],
    ["WRONGPASS invalid username-password pair", "REDIS_UNAVAILABLE"],
    ["NOAUTH Authentication required.", "REDIS_UNAVAILABLE"],
    ["NOPERM this user has no permissions to run the 'locus.node' command", "PERMISSION_DENIED"],
    ["SOMETHING nobody has heard of", "INTERNAL"],
    ["NOFUNCTION", "FUNCTION_NOT_FOUND"],
  ])("takes %j for %s", (message, code) => {
    expect(toLocusError(replyError(message), "try")).toMatchObject({ code });
  });

  it("takes whatever happens to a connection for REDIS_UNAVAILABLE, and says what was attempted", () => {
    const refused = toLocusError(new Error("connect ECONNREFUSED 127.0.0.1:1"), "store a function");
    expect(refused.code).toBe("REDIS_UNAVAILABLE");
    expect(refused.message).toBe("cannot store a function: connect ECONNREFUSED 127.0.0.1:1");
    const several = new AggregateError([new Error("::1 refused"), new Error("127.0.0.1 refused")]);
    const idle = new Error("Stream isn't writeable and enableOfflineQueue options is false");
    expect(toLocusError(idle, "connect").message).toBe("cannot connect: there is no connection");
    expect(toLocusError(several, "connect").message).toContain("::1 refused; Error: 127.0.0.1 refused");
  });

  it.each([
    [
      'Unknown RESP type 72 "H". Please report this.',
      /^cannot connect: what answers is no Redis: check LOCUS_REDIS_HOST/,
    ],
    [
      "self-signed certificate; if the root CA is installed locally, try running Node.js with --use-system-ca",
      /^cannot connect: self-signed certificate; LOCUS_REDIS_CA names the file with the authorities to trust$/,
    ],
  ])("names the setting to mend: %j", (message, told) => {
    expect(toLocusError(new Error(message), "connect").message).toMatch(told);
  });

  it("passes a LocusError through", () => {
    const error = new LocusError("OVERLOADED", "full");
    expect(toLocusError(error, "try")).toBe(error);
  });
});
