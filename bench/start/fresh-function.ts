// The empty function as something that was never there before: another version each time, or under another name.

import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { interruption } from "#compute/cli/interruption.ts";
import { NodeClient, type BatchReply } from "#compute/cli/node-client.ts";
import { bundleFunction } from "#runtime/function/bundle.ts";
import type { Side } from "#runtime/profile/sample.ts";

const SOURCE = join(import.meta.dirname, "..", "..", "functions", "empty.ts");
const NAME = "empty";
const NAME_IN_BUNDLE = `name:"${NAME}"`;

export interface FirstCall {
  /** From the answer to the deployment to the answer to the call. */
  readonly elapsedMs: number;
  /** How long it waited for its isolate. */
  readonly isolateMs: number;
}

export class FreshFunction {
  readonly #node: NodeClient;
  readonly #bundle: string;
  #versions = 0;

  static async bundle(nodeUrl: string): Promise<FreshFunction> {
    const bundle = Buffer.from(await bundleFunction(SOURCE)).toString();
    if (!bundle.includes(NAME_IN_BUNDLE)) throw new Error(`the bundle of ${SOURCE} has no ${NAME_IN_BUNDLE}`);
    return new FreshFunction(new NodeClient({ url: nodeUrl, from: "the stack" }, interruption()), bundle);
  }

  constructor(node: NodeClient, bundle: string) {
    this.#node = node;
    this.#bundle = bundle;
  }

  /** A version that no isolate holds. */
  async deploy(name = NAME): Promise<void> {
    this.#versions += 1;
    const bundle = this.#bundle.replace(NAME_IN_BUNDLE, `name:"${name}"`);
    await this.#node.deploy(Buffer.from(`// version ${this.#versions}\n${bundle}`));
  }

  /** Rejects where the call fails. */
  async call(side: Side, name = NAME): Promise<BatchReply> {
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
