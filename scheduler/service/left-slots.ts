// Slots that a platform has not destroyed, and charges for until it has. They are tried again a few at a time, with a pause that grows as long as none
// goes: whoever throttles is asked less, and those that wait for a slot share its connection.

/** They are tried again this long after; twice as long each time that none of them went, up to the greatest. Chosen. */
const PAUSE_MS = 1_000;
const PAUSE_MS_MAX = 60_000;
/** Tried at once, those that have waited the longest, and when all of them are to go. Chosen. */
const AT_ONCE = 8;
const CLOSING_AT_ONCE = 32;
/** Then a slot is left to its platform: a quarter of an hour where nothing goes. Chosen. */
const TRIES_MAX = 20;
/** Beyond, the one that has waited the longest is left to its platform. Chosen. */
const LEFT_MAX = 10_000;

interface LeftSlot {
  readonly slotId: string;
  readonly reason: string;
  /** That have failed. */
  readonly tries: number;
}

export class LeftSlots {
  readonly #destroy: (slotId: string, reason: string) => Promise<boolean>;
  readonly #left = new Map<string, LeftSlot>();
  #pauseMs = PAUSE_MS;
  #timer: NodeJS.Timeout | null = null;
  /** Tries that are under way. */
  #trying: Promise<void> | null = null;
  #isClosed = false;

  /** `destroy`: whether it is gone. Never rejects. */
  constructor(destroy: (slotId: string, reason: string) => Promise<boolean>) {
    this.#destroy = destroy;
  }

  /** One that was not destroyed at the first time. */
  add(slotId: string, reason: string): void {
    this.#add({ slotId, reason, tries: 1 });
    this.#wait();
  }

  /** Tries all of them once more; what fails then, or comes later, is left to its platform. */
  async close(): Promise<void> {
    this.#isClosed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    await this.#trying;
    await destroyAll([...this.#left.values()], this.#destroy);
    this.#left.clear();
  }

  #add(slot: LeftSlot): void {
    const [oldest] = this.#left.keys();
    if (oldest !== undefined && this.#left.size >= LEFT_MAX) this.#left.delete(oldest);
    this.#left.set(slot.slotId, slot);
  }

  #wait(): void {
    if (this.#isClosed || this.#left.size === 0 || this.#timer !== null || this.#trying !== null) return;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#trying = this.#tryAgain().finally(() => {
        this.#trying = null;
        this.#wait();
      });
    }, this.#pauseMs);
    this.#timer.unref();
  }

  async #tryAgain(): Promise<void> {
    const slots = [...this.#left.values().take(AT_ONCE)];
    for (const { slotId } of slots) this.#left.delete(slotId);
    const gone = await Promise.all(slots.map((slot) => this.#tryOne(slot)));
    this.#pauseMs = gone.includes(true) ? PAUSE_MS : Math.min(this.#pauseMs * 2, PAUSE_MS_MAX);
  }

  async #tryOne({ slotId, reason, tries }: LeftSlot): Promise<boolean> {
    const isGone = await this.#destroy(slotId, reason);
    if (!isGone && tries + 1 < TRIES_MAX) this.#add({ slotId, reason, tries: tries + 1 });
    return isGone;
  }
}

/** Each once, so many at a time. */
export async function destroyAll(
  slots: readonly { readonly slotId: string; readonly reason: string }[],
  destroy: (slotId: string, reason: string) => Promise<unknown>,
): Promise<void> {
  const next = slots.values();
  const one = async (): Promise<void> => {
    for (const { slotId, reason } of next) await destroy(slotId, reason);
  };
  await Promise.all(Array.from({ length: CLOSING_AT_ONCE }, one));
}
