// A function as something that was never there before: another version each time, or under another name.

import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { interruption } from "#compute/cli/interruption.ts";
import { NodeClient, type BatchReply } from "#compute/cli/node-client.ts";
import { bundleFunction } from "#runtime/function/bundle.ts";
import type { Side } from "#runtime/profile/sample.ts";

export interface Source {
  readonly file: string;
  /** That the function has there. */
  readonly name: string;
}

const EMPTY: Source = { file: join(import.meta.dirname, "..", "..", "functions", "empty.ts"), name: "empty" };

const nameInBundle = (name: string): string => `name:"${name}"`;

export interface FirstCall {
  /** From the answer to the deployment to the answer to the call. */
  readonly elapsedMs: number;
  /** How long it waited for its isolate. */
  readonly isolateMs: number;
}

export class FreshFunction {
  readonly #node: NodeClient;
  readonly #name: string;
  readonly #bundle: string;
  #versions = 0;

  static async bundle(nodeUrl: string, { file, name }: Source = EMPTY): Promise<FreshFunction> {
    const bundle = Buffer.from(await bundleFunction(file)).toString();
    if (!bundle.includes(nameInBundle(name))) throw new Error(`the bundle of ${file} has no ${nameInBundle(name)}`);
    return new FreshFunction(new NodeClient({ url: nodeUrl, from: "the stack" }, interruption()), name, bundle);
  }

  constructor(node: NodeClient, name: string, bundle: string) {
    this.#node = node;
    this.#name = name;
    this.#bundle = bundle;
  }

  /** A version that no isolate holds. */
  async deploy(name = this.#name): Promise<void> {
    this.#versions += 1;
    const bundle = this.#bundle.replace(nameInBundle(this.#name), nameInBundle(name));
    await this.#node.deploy(Buffer.from(`// version ${this.#versions}\n${bundle}`));
  }

  /** Rejects unless the result is null. */
  async call(side: Side, name = this.#name): Promise<BatchReply> {
    const wishes = { side, inFlight: 1, logs: false, deadlineMs: null };
    const [reply] = await Array.fromAsync(this.#node.batch(name, [{ args: null, keys: [] }], wishes));
    if (reply?.result !== null) throw new Error(`a call at ${side} came to ${JSON.stringify(reply)}`);
    return reply;
  }

  async firstCall(side: Side): Promise<FirstCall> {
    await this.deploy();
    const startedMs = performance.now();
    const { usage } = await this.call(side);
    return { elapsedMs: performance.now() - startedMs, isolateMs: (usage?.queueUs ?? Number.NaN) / 1e3 };
  }
}
