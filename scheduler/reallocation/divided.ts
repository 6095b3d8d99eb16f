// One total of things that are counted, instances or threads, divided among functions as they come and go: reallocation.ts grants what they are seen
// to need, what nobody needs may be had by whoever comes to need it, and a raise waits for the room that others leave.

import { Reallocation, type Sample } from "./reallocation.ts";
import { split } from "./split.ts";

/** What one function has and wants, whatever is counted. */
export interface Use {
  readonly key: string;
  /** Its own limit. */
  readonly most: number;
  /** That it has in any case. */
  readonly least: number;
  /** What there is of it now, used or not. */
  readonly held: number;
  readonly used: number;
  /** It wants more, and would have it were it allowed. */
  readonly lacks: boolean;
}

/** A function that has had and wanted nothing for so many looks is forgotten. Chosen. */
const FORGOTTEN_AFTER = 60;
/** Of a function that is new. */
const INITIAL = 2;
/** That it lacks something shows that a forecast was too low: it wants so many times what it uses. */
const LACKED_GROWTH = 2;
const COUNTS = { floor: 1, step: 1, rests: false };

interface Member {
  readonly most: number;
  readonly least: number;
  /** Looks since it had or wanted something. */
  quietLooks: number;
  /** As was answered last; null: nothing yet. */
  allowed: number | null;
}

export class Divided {
  readonly total: number;
  readonly #reallocation: Reallocation;
  readonly #members = new Map<string, Member>();

  constructor(total: number) {
    this.total = total;
    this.#reallocation = new Reallocation({ ...COUNTS, total });
  }

  /** How many each may have from now on. Of those that use nothing, and have not for a while, nothing is said. */
  look(uses: readonly Use[], nowMs: number): ReadonlyMap<string, number> {
    const allowed = new Map(this.#comeAndGo(uses).map(({ key, least }) => [key, least]));
    const inside = uses.filter(({ key }) => this.#members.has(key));
    const samples = inside.map((use) => this.#sampleOf(use));
    this.#reallocation.sampled(samples, nowMs);
    for (const [key, amount] of this.#within(inside, this.#due(inside))) allowed.set(key, amount);
    return allowed;
  }

  /** Those that have their least now: who is forgotten, and for whom no room is left, which is asked about again. */
  #comeAndGo(uses: readonly Use[]): readonly Use[] {
    const left = new Set(this.#members.keys());
    const outside: Use[] = [];
    for (const use of uses) {
      left.delete(use.key);
      const wasMember = this.#members.has(use.key);
      const isMember = this.#isMember(use);
      if (!isMember && (wasMember || use.used > 0)) outside.push(use);
    }
    for (const key of left) this.#forget(key);
    return outside;
  }

  #isMember({ key, most, least, used }: Use): boolean {
    const known = this.#members.get(key);
    if (known !== undefined) {
      known.quietLooks = used > 0 ? 0 : known.quietLooks + 1;
      if (known.most === most && known.least === least && known.quietLooks <= FORGOTTEN_AFTER) return true;
      this.#forget(key);
    }
    if (used === 0 || this.#reallocation.add(key, most, INITIAL, least) === null) return false;
    this.#members.set(key, { most, least, quietLooks: 0, allowed: known?.allowed ?? null });
    return true;
  }

  #forget(key: string): void {
    this.#members.delete(key);
    this.#reallocation.remove(key);
  }

  /** Where it was allowed all that it may have, it was not held back. */
  #sampleOf({ key, most, used, lacks }: Use): Sample {
    const isHeldBack = lacks && (this.#members.get(key)?.allowed ?? most) < most;
    return { id: key, used: Math.min(used, most), calls: 0, lacked: isHeldBack ? used * LACKED_GROWTH : null };
  }

  /** What is granted, and of what is left over equal parts, as far as own limits go. */
  #due(uses: readonly Use[]): readonly number[] {
    const wants = uses.map(({ key, most }) => {
      const floor = this.#reallocation.granted(key);
      return { floor, wanted: Math.max(floor, most) };
    });
    return split(wants, this.total);
  }

  /** What is less now holds at once; what is more, as far as nobody else has it still. */
  #within(uses: readonly Use[], due: readonly number[]): readonly (readonly [string, number])[] {
    const kept = uses.map(({ key, held }, index) => Math.min(due[index]!, this.#members.get(key)?.allowed ?? held));
    let room = uses.reduce((left, { held }, index) => left - Math.max(held, kept[index]!), this.total);
    return uses.map(({ key, held, least }, index) => {
      const from = Math.max(kept[index]!, Math.min(held, due[index]!));
      const more = Math.max(0, Math.min(due[index]! - from, room));
      room -= more;
      const amount = Math.max(least, from + more);
      this.#members.get(key)!.allowed = amount;
      return [key, amount] as const;
    });
  }
}
