// Questions to the node that controls placement, from one that does not, until they are answered or nobody does.

import { randomInt } from "node:crypto";

import { LocusError } from "#runtime/errors.ts";
import type { Answer } from "./answers.ts";
import type { PlacementLink } from "./placement-link.ts";

/** A controller that has no answer by then counts as gone. */
const ANSWER_TIMEOUT_MS = 1_000;
const QUESTIONS_MAX = 256;
/** As many as a random whole number may have. */
const QUESTION_IDS = 2 ** 48 - 1;

interface Waiting {
  readonly resolve: (answer: Answer["answer"]) => void;
  readonly timer: NodeJS.Timeout;
}

export class Questions {
  readonly #node: string;
  readonly #link: Pick<PlacementLink, "ask">;
  readonly #waiting = new Map<number, Waiting>();

  /** `node`: where answers are to come to. */
  constructor(node: string, link: Pick<PlacementLink, "ask">) {
    this.#node = node;
    this.#link = link;
  }

  /** Of one function, or of all; null: nobody controls, or it does not answer. Rejects with OVERLOADED. */
  async ask(name: string | null): Promise<Answer["answer"]> {
    if (this.#waiting.size >= QUESTIONS_MAX) {
      throw new LocusError("OVERLOADED", `${QUESTIONS_MAX} questions wait for the controller already`);
    }
    // Who may publish shall not guess what is asked.
    const id = randomInt(QUESTION_IDS);
    const { promise, resolve } = Promise.withResolvers<Answer["answer"]>();
    const timer = setTimeout(() => resolve(null), ANSWER_TIMEOUT_MS);
    this.#waiting.set(id, { resolve, timer });
    // A Redis that is frozen answers neither: the time counts from here.
    this.#link.ask({ id, node: this.#node, function: name }).then(
      (heard) => heard === 0 && resolve(null),
      () => resolve(null),
    );
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(id);
    }
  }

  /** Nothing where nobody waits for it any more. */
  answered({ id, answer }: Answer): void {
    this.#waiting.get(id)?.resolve(answer);
  }

  close(): void {
    for (const { resolve, timer } of this.#waiting.values()) {
      clearTimeout(timer);
      resolve(null);
    }
  }
}
