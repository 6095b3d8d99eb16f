// Questions to the node that controls placement, from one that does not.

import { randomInt } from "node:crypto";

import { LocusError } from "#runtime/errors.ts";
import type { Answer } from "./answers.ts";
import type { PlacementLink } from "./placement-link.ts";

/** A controller that has not answered by then counts as gone. */
const ANSWER_TIMEOUT_MS = 1_000;
const QUESTIONS_MAX = 256;

export class Questions {
  readonly #node: string;
  readonly #link: Pick<PlacementLink, "ask">;
  /** By the question's id. */
  readonly #waiting = new Map<number, (answer: Answer["answer"]) => void>();

  /** `node`: the recipient of answers. */
  constructor(node: string, link: Pick<PlacementLink, "ask">) {
    this.#node = node;
    this.#link = link;
  }

  /** About one function, or all (null). Resolves to null if no node controls. Rejects with OVERLOADED. */
  async ask(name: string | null): Promise<Answer["answer"]> {
    if (this.#waiting.size >= QUESTIONS_MAX) {
      throw new LocusError("OVERLOADED", `${QUESTIONS_MAX} questions wait for the node that controls: ask again later`);
    }
    // Random, so that nobody can publish an answer to a guessed question.
    const id = randomInt(2 ** 48 - 1);
    const { promise, resolve } = Promise.withResolvers<Answer["answer"]>();
    const timer = setTimeout(() => resolve(null), ANSWER_TIMEOUT_MS);
    this.#waiting.set(id, resolve);
    // Not awaited: a frozen Redis counts against the same timeout.
    this.#link.ask({ id, node: this.#node, function: name }).then(
      (receivers) => receivers === 0 && resolve(null),
      () => resolve(null),
    );
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(id);
    }
  }

  answered({ id, answer }: Answer): void {
    this.#waiting.get(id)?.(answer);
  }

  close(): void {
    for (const resolve of this.#waiting.values()) resolve(null);
  }
}
