import { createHash, pbkdf2Sync } from "node:crypto";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { md5 } from "./md5.ts";
import { pbkdf2 } from "./pbkdf2.ts";
import { sha256 } from "./sha256.ts";

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

// Lengths around the block of 64 bytes, where padding goes wrong, more often than others.
const message = fc.oneof(fc.uint8Array({ maxLength: 1_000 }), fc.uint8Array({ minLength: 54, maxLength: 66 }));

describe("sha256", () => {
  // FIPS 180-4's examples.
  test.for([
    ["", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"],
    ["abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"],
    [
      "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
      "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
    ],
  ] as const)("gives the published digest of %j", ([text, digest]) => {
    expect(sha256(bytesOf(text)).toHex()).toBe(digest);
  });

  test("agrees with OpenSSL on any message", () => {
    fc.assert(
      fc.property(message, (bytes) => {
        expect(sha256(bytes).toHex()).toBe(createHash("sha256").update(bytes).digest("hex"));
      }),
    );
  });
});

describe("md5", () => {
  // RFC 1321, section A.5.
  test.for([
    ["", "d41d8cd98f00b204e9800998ecf8427e"],
    ["message digest", "f96b697d7cb7938d525a2f31aaf161d0"],
    ["1234567890".repeat(8), "57edf4a22be3c955ac49da2e2107b67a"],
  ] as const)("gives the published digest of %j", ([text, digest]) => {
    expect(md5(bytesOf(text)).toHex()).toBe(digest);
  });

  test("agrees with OpenSSL on any message", () => {
    fc.assert(
      fc.property(message, (bytes) => {
        expect(md5(bytes).toHex()).toBe(createHash("md5").update(bytes).digest("hex"));
      }),
    );
  });
});

describe("pbkdf2", () => {
  // RFC 7914, section 11: the first half of its 64 bytes.
  test("gives the published key", () => {
    expect(pbkdf2(bytesOf("passwd"), bytesOf("salt"), 1).toHex()).toBe(
      "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc",
    );
  });

  test("agrees with OpenSSL on any password, salt and number of iterations", () => {
    const password = fc.uint8Array({ maxLength: 150 });
    fc.assert(
      fc.property(
        password,
        fc.uint8Array({ maxLength: 100 }),
        fc.integer({ min: 1, max: 5 }),
        (secret, salt, times) => {
          const expected = pbkdf2Sync(secret, salt, times, 32, "sha256").toString("hex");
          expect(pbkdf2(secret, salt, times).toHex()).toBe(expected);
        },
      ),
    );
  });
});
