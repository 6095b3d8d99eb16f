// How long a test waits is set before each file, in processes that files share.

import { expect, test, vi } from "vitest";

test("what was made patient for one file is left as it is for the next", async () => {
  const { waitFor, waitUntil } = vi;
  vi.resetModules();
  await import("./patience.ts");
  expect(vi.waitFor).toBe(waitFor);
  expect(vi.waitUntil).toBe(waitUntil);
});
