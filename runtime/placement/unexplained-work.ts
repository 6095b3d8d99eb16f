// What nodes work beyond what is believed of their calls, and of what no call makes (refinement.ts). That filter is wary of windows that tell too much: code is compiled,
// garbage is collected, and a core that is full looks the same whatever its calls take. But what is there in one second and again in the next is work that no plan can do
// without, whoever makes it: it is taken from the nodes' cores.

/** So long is looked at together, ms, and two of them one after the other tell. */
const SECOND_MS = 1_000;

export class UnexplainedWork {
  #us = 0;
  #beganMs = -Infinity;
  #toldMs = -Infinity;
  #before = 0;
  #cores = 0;

  /** `us`: measured less believed, of one node's window that has just ended. */
  add(us: number, nowMs: number): void {
    const isAnew = nowMs - this.#toldMs > SECOND_MS;
    this.#toldMs = nowMs;
    if (isAnew) return this.#begin(nowMs, 0, 0);
    this.#us += us;
    const passedMs = nowMs - this.#beganMs;
    if (passedMs < SECOND_MS) return;
    const cores = this.#us / (1e3 * passedMs);
    this.#begin(nowMs, cores, Math.max(0, Math.min(cores, this.#before)));
  }

  /** Of all nodes together; 0 where they have been silent. */
  coresAt(nowMs: number): number {
    return nowMs - this.#toldMs > SECOND_MS ? 0 : this.#cores;
  }

  #begin(nowMs: number, before: number, cores: number): void {
    this.#us = 0;
    this.#beganMs = nowMs;
    this.#before = before;
    this.#cores = cores;
  }
}
