import { pbkdf2Sync } from "node:crypto";
import { expect, test } from "vitest";
import { call, memoryOf } from "#runtime/function/memory-call.ts";
import hashPassword from "./hash-password.ts";

const ann = { user: "ann", password: "correct horse", iterations: 10 } as const;

test("knows the password that was stored, and no other", async () => {
  const memory = await memoryOf();
  expect(await call(hashPassword, { ...ann, action: "create" }, memory)).toEqual({ created: true });
  expect(await call(hashPassword, { ...ann, action: "verify" }, memory)).toEqual({ valid: true });
  expect(await call(hashPassword, { ...ann, action: "verify", password: "battery" }, memory)).toEqual({ valid: false });
});

test("stores a salt of its own and the standard digest, never the password", async () => {
  const [one, other] = [await memoryOf(), await memoryOf()];
  await call(hashPassword, { ...ann, action: "create" }, one);
  await call(hashPassword, { ...ann, action: "create" }, other);

  const stored = (await one.redis.get("password:ann")) ?? "";
  expect(await other.redis.get("password:ann")).not.toBe(stored);
  const [, salt = "", digest] = /^\$pbkdf2-sha256\$i=10\$([^$]{22})\$([^$]{43})$/.exec(stored) ?? [];
  const expected = pbkdf2Sync(ann.password, Buffer.from(salt, "base64"), 10, 32, "sha256");
  expect(`${digest}=`).toBe(expected.toString("base64"));
});

test("refuses an unknown user, after as much work as for a known one", async () => {
  expect(await call(hashPassword, { ...ann, action: "verify" })).toEqual({ valid: false });
});

test("says so where something else is stored", async () => {
  const memory = await memoryOf({ "password:ann": "plain text" });
  await expect(call(hashPassword, { ...ann, action: "verify" }, memory)).rejects.toThrow("no PBKDF2 hash");
});
