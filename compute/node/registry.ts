// Where deployed functions are kept: in Redis, by the module. A node holds a mirror of it (`FunctionCache`) and nothing
// of its own. `RedisRegistry` is the real one, `MemoryRegistry` the obvious one.

import type { FunctionDescription } from "#runtime/function/description.ts";
import type { CoreTimes } from "./core-times.ts";

export interface StoredBundle {
  readonly version: string;
  readonly bundle: Uint8Array;
}

/** The functions that changed after a cursor, in their current version. */
export interface RegistryChanges {
  /** Where the next page begins. */
  readonly cursor: string;
  /** What was read before is void: the registry does not know the cursor. */
  readonly isWhole: boolean;
  /** There is another page. */
  readonly hasMore: boolean;
  readonly changed: readonly FunctionDescription[];
  /** Names. */
  readonly removed: readonly string[];
}

/** Before all changes. */
export const FIRST_CURSOR = "0";

/** All methods reject with a LocusError: REDIS_UNAVAILABLE, MODULE_MISSING, PERMISSION_DENIED, or what is said below. */
export interface Registry {
  /** A page of bounded size. From `FIRST_CURSOR` on, the pages have all functions. */
  changes(cursor: string): Promise<RegistryChanges>;
  /** FUNCTION_NOT_FOUND, VERSION_NOT_FOUND. */
  bundle(name: string, version: string): Promise<StoredBundle>;
  /** Stores the function that the bundle defines, in place of the one of that name. FUNCTION_INVALID, BUNDLE_TOO_LARGE. */
  load(bundle: Uint8Array): Promise<{ readonly name: string; readonly version: string }>;
  /** FUNCTION_NOT_FOUND. */
  delete(name: string): Promise<void>;
  /** Whether it can be used right now. Rejects with what stands in the way, MODULE_MISMATCH included. */
  probe(): Promise<RegistryState>;
  /** `listener` is called whenever there may be changes that were not read: connected, connected again, a change was announced. */
  onChange(listener: () => void): void;
}

export interface RegistryState {
  readonly moduleVersion: string;
  /** Why nothing runs beside Redis now (switched off, a file is missing); empty where all is well. */
  readonly obstacle: string;
  /** Of the machine of Redis; null: unknown. */
  readonly coreTimes: CoreTimes | null;
}
