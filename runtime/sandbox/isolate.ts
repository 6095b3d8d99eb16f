// One isolate: made for a bundle, loaded, described, and either left to its loop in a lane or thrown away after a check.
// isolated-vm is used here only. What goes into an isolate are strings and our natives, never a live object of the host.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import ivm from "isolated-vm";
import { LocusError } from "#runtime/errors.ts";
import type { FunctionDescription } from "#runtime/function/description.ts";
import { describeDefinition, type Purpose } from "#runtime/function/describe.ts";
import { splitSourceMap } from "#runtime/function/source-map.ts";
import { versionOf } from "#runtime/function/version.ts";

/** A description's JSON, characters. Two schemas of 64 Ki each and small fields. */
const DESCRIPTION_LENGTH_MAX = 256 * 1024;
/** The memory of an isolate that only checks a bundle, MiB. */
const CHECK_MEMORY_MB = 64;
/** Characters of what a bundle's load threw. */
const MESSAGE_LENGTH_MAX = 2_048;

export class Isolate {
  readonly description: FunctionDescription;
  readonly #isolate: ivm.Isolate;
  readonly #natives: ivm.Reference;

  private constructor(isolate: ivm.Isolate, natives: ivm.Reference, description: FunctionDescription) {
    this.#isolate = isolate;
    this.#natives = natives;
    this.description = description;
  }

  /** Loads a bundle and reads its definition. Throws FUNCTION_INVALID with what went wrong and where; nothing is left then. */
  static async load(
    loader: IsolateLoader,
    bundle: string,
    purpose: Purpose,
    memoryMb = CHECK_MEMORY_MB,
  ): Promise<Isolate> {
    const beganMs = Number(process.hrtime.bigint()) / 1e6;
    const isolate = new ivm.Isolate({ memoryLimit: memoryMb, onCatastrophicError: (message) => fail(message) });
    let natives: ivm.Reference | undefined;
    try {
      const context = await isolate.createContext();
      natives = await loader.module.create(context);
      return new Isolate(isolate, natives, await evaluate(loader, context, natives, bundle, purpose, beganMs));
    } catch (error) {
      await release(isolate, natives);
      throw error instanceof LocusError ? error : new LocusError("FUNCTION_INVALID", explain(error), { cause: error });
    }
  }

  /**
   * Compiles what isolates share, in one that is thrown away: what V8 made of our own programs serves all later ones.
   * Nothing of a user's ever runs in it, so nothing of a user's is in that code.
   */
  static async warm(loader: IsolateLoader): Promise<void> {
    const isolate = new ivm.Isolate({ memoryLimit: CHECK_MEMORY_MB });
    try {
      const natives = await loader.module.create(await isolate.createContext());
      await (await natives.get("warm", { reference: true })).apply(undefined, []);
      await release(isolate, natives);
    } finally {
      if (!isolate.isDisposed) isolate.dispose();
    }
  }

  /** Runs the loop in `lane` until the supervisor closes it. Resolves with why it ended; empty when it was asked to. */
  async serve(lane: number): Promise<string> {
    try {
      const serve = await this.#natives.get("serve", { reference: true });
      return String(await serve.apply(undefined, [lane, ...schemasOf(this.description)], { result: { copy: true } }));
    } catch (error) {
      return explain(error);
    } finally {
      if (!this.#isolate.isDisposed) this.#isolate.dispose();
    }
  }

  /** Of an isolate that was only loaded. One that served is gone already. */
  async discard(): Promise<void> {
    await release(this.#isolate, this.#natives);
  }
}

/** Evaluates the bundle and describes what it exports. */
async function evaluate(
  loader: IsolateLoader,
  context: ivm.Context,
  natives: ivm.Reference,
  bundle: string,
  purpose: Purpose,
  beganMs: number,
): Promise<FunctionDescription> {
  await context.evalClosure(`(${loader.prelude})($0)`, [natives.derefInto()], { filename: "<locus>" });
  const [source, map] = splitSourceMap(bundle);
  const load = await natives.get("load", { reference: true });
  const loaded = await load.apply(undefined, [source, map, beganMs], { result: { copy: true } });
  const [failure, json] = loaded as [string, string];
  if (failure !== "") throw new LocusError("FUNCTION_INVALID", failure.slice(0, MESSAGE_LENGTH_MAX));
  const description = await describe(natives, bundle, json, purpose);
  if (purpose === "deploy") await compileSchemas(natives, description, beganMs);
  return description;
}

/** What the definition says; with the author's file where it cannot be used. */
async function describe(
  natives: ivm.Reference,
  bundle: string,
  json: string,
  purpose: Purpose,
): Promise<FunctionDescription> {
  try {
    if (json.length > DESCRIPTION_LENGTH_MAX) {
      throw new LocusError("FUNCTION_INVALID", `the definition is larger than ${DESCRIPTION_LENGTH_MAX} characters`);
    }
    return describeDefinition(JSON.parse(json), versionOf(Buffer.from(bundle)), purpose);
  } catch (error) {
    if (!(error instanceof LocusError)) throw error;
    const sourceFile = await natives.get("sourceFile", { reference: true });
    const file = String(await sourceFile.apply(undefined, [], { result: { copy: true } }));
    if (file === "") throw error;
    throw new LocusError(error.code, `${file}: ${error.message}`, { cause: error });
  }
}

/** As its calls would meet them; bounded as loading is. Throws FUNCTION_INVALID. */
async function compileSchemas(
  natives: ivm.Reference,
  description: FunctionDescription,
  beganMs: number,
): Promise<void> {
  if (description.input === null && description.output === null) return;
  const compile = await natives.get("compileSchemas", { reference: true });
  const failure = String(
    await compile.apply(undefined, [...schemasOf(description), beganMs], { result: { copy: true } }),
  );
  if (failure !== "") throw new LocusError("FUNCTION_INVALID", failure.slice(0, MESSAGE_LENGTH_MAX));
}

/** As JSON, empty where there is none: what the natives take. */
const schemasOf = ({ input, output }: FunctionDescription): readonly string[] =>
  [input, output].map((schema) => (schema === null ? "" : JSON.stringify(schema)));

/** Frees what is native of an isolate, then the isolate. */
async function release(isolate: ivm.Isolate, natives: ivm.Reference | undefined): Promise<void> {
  if (isolate.isDisposed) return;
  try {
    if (natives !== undefined) await (await natives.get("release", { reference: true })).apply(undefined, []);
  } catch {
    // It ran out of memory: nothing more can be asked of it.
  }
  if (!isolate.isDisposed) isolate.dispose();
}

/** What every isolate of the process starts from. */
export interface IsolateLoader {
  readonly module: ivm.NativeModule;
  /** An expression: a function of the natives. */
  readonly prelude: string;
}

export function isolateLoader(buildDirectory: string): IsolateLoader {
  return {
    module: new ivm.NativeModule(join(buildDirectory, "host.node")),
    prelude: readFileSync(join(buildDirectory, "guest", "prelude.js"), "utf8").trimEnd(),
  };
}

/** What isolated-vm says of a load that came to no end, or of a loop that ended by itself. */
function explain(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.slice(0, MESSAGE_LENGTH_MAX);
}

/** V8 itself failed: nothing in this process can be trusted any more. */
function fail(message: string): never {
  process.stderr.write(`sandbox host: ${message}\n`);
  process.abort();
}
