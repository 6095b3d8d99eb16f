import { setImmediate } from "node:timers/promises";

import { beforeEach, describe, expect, it } from "vitest";

import { LocusError } from "#runtime/errors.ts";
import type { FunctionDescription } from "#runtime/function/description.ts";
import { versionOf } from "#runtime/function/version.ts";
import { FunctionCache } from "./function-cache.ts";
import { MemoryRegistry } from "./memory-registry.ts";
import { FIRST_CURSOR, type RegistryChanges } from "./registry.ts";

/** A bundle is a name and padding: `khop·····`. */
const describeBundle = (bundle: Uint8Array): FunctionDescription => ({
  name: new TextDecoder().decode(bundle).replace(/·*$/, ""),
  version: versionOf(bundle),
  side: null,
  limits: { deadlineMs: 1, cpuMs: 1, memoryMb: 1, operations: 1, concurrency: 1 },
  input: null,
  output: null,
});

const bundle = (name: string, padding = 0): Uint8Array => new TextEncoder().encode(name + "·".repeat(padding));

/** Answers page by page, as a test wants it. */
class PagedRegistry extends MemoryRegistry {
  readonly cursors: string[] = [];
  readonly pages: (Partial<RegistryChanges> | Error)[] = [];

  override async changes(cursor: string): Promise<RegistryChanges> {
    this.cursors.push(cursor);
    const page = this.pages.shift() ?? {};
    if (page instanceof Error) throw page;
    return { cursor, isWhole: false, hasMore: false, changed: [], removed: [], ...page };
  }
}

/** Counts what is asked of it, and can be told to be out of reach. */
class CountingRegistry extends MemoryRegistry {
  readings = 0;
  bundles = 0;
  away = false;

  override async changes(cursor: string) {
    this.readings += 1;
    await setImmediate();
    if (this.away) throw new LocusError("REDIS_UNAVAILABLE", "away");
    return super.changes(cursor);
  }

  override async bundle(name: string, version: string) {
    this.bundles += 1;
    await setImmediate();
    return super.bundle(name, version);
  }
}

describe("FunctionCache", () => {
  let registry: CountingRegistry;
  let cache: FunctionCache;

  beforeEach(() => {
    registry = new CountingRegistry(describeBundle);
    cache = new FunctionCache(registry, 100);
  });

  it("knows a function as soon as its deployment is announced", async () => {
    await registry.load(bundle("khop"));
    await cache.refresh();
    expect(cache.current("khop", null)?.name).toBe("khop");
    await registry.delete("khop");
    await cache.refresh();
    expect(cache.current("khop", null)).toBeUndefined();
  });

  it("asks the registry before it says that a function is not there", async () => {
    registry.onChange = () => {};
    const deaf = new FunctionCache(registry, 100);
    await registry.load(bundle("khop"));
    expect(deaf.current("khop", null)).toBeUndefined();
    expect((await deaf.find("khop", null)).name).toBe("khop");
    await expect(deaf.find("other", null)).rejects.toMatchObject({ code: "FUNCTION_NOT_FOUND" });
    await expect(deaf.find("khop", "0000")).rejects.toMatchObject({ code: "VERSION_NOT_FOUND" });
  });

  it("asks nobody for a name that cannot be one", async () => {
    await expect(cache.find("../etc", null)).rejects.toMatchObject({ code: "FUNCTION_NOT_FOUND" });
    expect(registry.readings).toBe(0);
  });

  it("reads once more after the reading under way, however many ask", async () => {
    await Promise.all(Array.from({ length: 20 }, () => cache.refresh()));
    expect(registry.readings).toBe(2);
  });

  it("fails as the registry does, keeps what it knew, and recovers", async () => {
    await registry.load(bundle("khop"));
    await cache.refresh();
    registry.away = true;
    await expect(cache.find("other", null)).rejects.toMatchObject({ code: "REDIS_UNAVAILABLE" });
    expect(cache.current("khop", null)?.name).toBe("khop");
    registry.away = false;
    await expect(cache.find("other", null)).rejects.toMatchObject({ code: "FUNCTION_NOT_FOUND" });
  });

  describe("that reads page by page", () => {
    const [a, b, c] = ["a", "b", "c"].map((name) => describeBundle(bundle(name))) as [
      FunctionDescription,
      FunctionDescription,
      FunctionDescription,
    ];
    const newB = describeBundle(bundle("b", 1));
    let paged: PagedRegistry;
    let changes: string[][];

    beforeEach(async () => {
      paged = new PagedRegistry(describeBundle);
      cache = new FunctionCache(paged, 100);
      changes = [];
      cache.onChange((names) => changes.push([...names]));
      paged.pages.push(
        { cursor: "x-2", isWhole: true, hasMore: true, changed: [b, a] },
        { cursor: "x-3", changed: [c] },
      );
      await cache.refresh();
    });

    it("has the functions of all pages, and begins the next reading where the last one ended", async () => {
      expect(cache.list()).toEqual([a, b, c]);
      expect(changes).toEqual([["b", "a", "c"]]);
      paged.pages.push({ cursor: "x-5", changed: [newB], removed: ["a"] });
      await cache.refresh();
      expect(cache.list()).toEqual([newB, c]);
      expect(changes[1]).toEqual(["b", "a"]);
      await cache.refresh();
      expect(changes).toHaveLength(2);
      expect(paged.cursors).toEqual([FIRST_CURSOR, "x-2", "x-3", "x-5"]);
    });

    it("forgets all that it had when the registry is another one", async () => {
      paged.pages.push({ cursor: "y-1", isWhole: true, changed: [newB] });
      await cache.refresh();
      expect(cache.list()).toEqual([newB]);
      expect(changes[1]).toEqual(["b", "a", "c"]);
    });

    it("keeps what it had after a failure between pages, and begins that reading again", async () => {
      const away = new LocusError("REDIS_UNAVAILABLE", "away");
      paged.pages.push({ cursor: "y-1", isWhole: true, hasMore: true, changed: [newB] }, away);
      await expect(cache.refresh()).rejects.toBe(away);
      expect(cache.list()).toEqual([a, b, c]);
      await cache.refresh();
      expect(paged.cursors.slice(2)).toEqual(["x-3", "y-1", "x-3"]);
    });
  });

  it("fetches a bundle once, however many need it, and then has it at hand", async () => {
    await registry.load(bundle("khop"));
    const description = await cache.find("khop", null);
    const images = await Promise.all([cache.image(description), cache.image(description)]);
    expect(images[0]).toBe(images[1]);
    expect(cache.image(description)).toBe(images[0]);
    expect(registry.bundles).toBe(1);
  });

  it("tries again after a fetch that failed", async () => {
    await registry.load(bundle("khop"));
    const gone = { ...(await cache.find("khop", null)), version: "0000" };
    await expect(cache.image(gone)).rejects.toMatchObject({ code: "VERSION_NOT_FOUND" });
    await expect(cache.image(gone)).rejects.toMatchObject({ code: "VERSION_NOT_FOUND" });
    expect(registry.bundles).toBe(2);
  });

  it("lets the bundle that was used least recently make room", async () => {
    const descriptions = [];
    for (const name of ["a", "b", "c"]) {
      await registry.load(bundle(name, 20));
      descriptions.push(await cache.find(name, null));
    }
    const [a, b, c] = descriptions as [FunctionDescription, FunctionDescription, FunctionDescription];
    await cache.image(a);
    await cache.image(b);
    await cache.image(a);
    await cache.image(c);
    expect(cache.image(a)).not.toBeInstanceOf(Promise);
    expect(cache.image(c)).not.toBeInstanceOf(Promise);
    const again = cache.image(b);
    expect(again).toBeInstanceOf(Promise);
    await again;
  });
});
