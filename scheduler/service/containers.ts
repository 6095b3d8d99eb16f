// Which container of which node an instance is: containers are named by their nodes, instances by the scheduler. A start that is given up on its way
// leaves nothing behind.

import { LocusError } from "#runtime/errors.ts";
import type { Instance } from "../instance/instance.ts";

export class Containers {
  readonly #ids = new Map<Instance, string>();
  readonly #instances = new Map<string, Instance>();
  readonly #starting = new Map<Instance, { readonly abort: AbortController; readonly done: Promise<void> }>();

  /** `create` makes it on its node and says its name there. Rejects with what that rejects with. */
  start(instance: Instance, create: (signal: AbortSignal) => Promise<string>): Promise<void> {
    const abort = new AbortController();
    const done = create(abort.signal)
      .then((id) => this.is(instance, id))
      .finally(() => this.#starting.delete(instance));
    this.#starting.set(instance, { abort, done });
    return done;
  }

  /** Of one that is starting as well. `remove` ends it on its node. */
  async stop(instance: Instance, remove: (id: string) => Promise<void>): Promise<void> {
    const starting = this.#starting.get(instance);
    starting?.abort.abort();
    await starting?.done.catch(() => {});
    const id = this.#ids.get(instance);
    if (id === undefined) return;
    this.forget(instance);
    await remove(id);
  }

  is(instance: Instance, id: string): void {
    // Its node was lost while it started.
    if (instance.state === "gone") return;
    this.#ids.set(instance, id);
    this.#instances.set(id, instance);
  }

  /** It does not exist any more. */
  forget(instance: Instance): void {
    const id = this.#ids.get(instance);
    if (id === undefined) return;
    this.#ids.delete(instance);
    this.#instances.delete(id);
  }

  /** Of a node that is lost, with all that is on it: the names of that. */
  forgetNode(nodeId: string): readonly string[] {
    const lost: string[] = [];
    for (const [instance, id] of this.#ids) {
      if (instance.node.id !== nodeId) continue;
      lost.push(id);
      this.forget(instance);
    }
    return lost;
  }

  /** That are made on that node now. */
  startingOn(nodeId: string): ReadonlySet<Instance> {
    return new Set(this.#starting.keys().filter(({ node }) => node.id === nodeId));
  }

  all(): Iterable<readonly [Instance, string]> {
    return this.#ids;
  }

  idOf(instance: Instance): string | undefined {
    return this.#ids.get(instance);
  }

  /** Throws INSTANCE_FAILED where it has none (yet). */
  expect(instance: Instance): string {
    const id = this.#ids.get(instance);
    if (id === undefined) throw new LocusError("INSTANCE_FAILED", `instance ${instance.id} has no container`);
    return id;
  }

  instanceOf(id: string): Instance | undefined {
    return this.#instances.get(id);
  }
}
