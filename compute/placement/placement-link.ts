// How nodes exchange messages about placement: channels of Redis. Every node hears changes of the
// plan and of rules and answers to its questions. The node that controls hears windows and
// questions as well.

import { randomInt } from "node:crypto";
import type { Redis } from "ioredis";

import { LocusError } from "#runtime/errors.ts";
import { openLastingConnection, whenBothStand, type RedisAddress, type RedisUser } from "../node/redis-connection.ts";
import type { Answer } from "./answers.ts";
import { readAnswer, readPlanChange, readQuestion, readWindow } from "./messages.ts";
import type { PlanChange, SampleWindow } from "./messages.ts";
import { PLAN_CHANNEL, RULES_CHANNEL } from "./placement-store.ts";

const WINDOWS_CHANNEL = "locus:placement:windows";
const QUESTIONS_CHANNEL = "locus:placement:questions";

const answersTo = (node: string): string => `locus:placement:answers:${node}`;

/** Windows that Redis has not acknowledged. More are dropped, so they do not pile up before a silent server. */
const WINDOWS_SENT_MAX = 8;
/** A controller that has not answered by then counts as gone. */
const ANSWER_TIMEOUT_MS = 1_000;
/** Questions that wait for an answer at once, and different refusals that are reported. */
const QUESTIONS_MAX = 256;

export interface LinkListener {
  /** Commands and subscriptions work. Messages from before were missed. */
  readonly onConnected: () => void;
  readonly onPlan: (change: PlanChange) => void;
  readonly onRules: () => void;
  /** Only while `listenAsController`. null asks about all functions. */
  readonly onWindow: (window: SampleWindow) => void;
  readonly onQuestion: (name: string | null) => Answer["answer"];
  /** Redis refuses a command, or a message is invalid; once for each text. */
  readonly onRefused: (reason: string) => void;
}

export class PlacementLink {
  readonly commands: Redis;
  readonly #subscriber: Redis;
  readonly #node: string;
  readonly #listener: LinkListener;
  readonly #refusals = new Set<string>();
  /** Questions of this node, by id. */
  readonly #questions = new Map<number, (answer: Answer["answer"]) => void>();
  #isController = false;
  #windowsSent = 0;

  constructor(address: RedisAddress, user: RedisUser, node: string, listener: LinkListener) {
    this.#node = node;
    this.#listener = listener;
    this.commands = openLastingConnection(address, user, "placement");
    this.#subscriber = openLastingConnection(address, user, "placement-news");
    // The registry's connection reports losses.
    this.commands.on("error", () => {});
    this.#subscriber.on("error", () => {});
    this.#subscriber.on("message", (channel, text) => this.#hear(channel, text));
    const { commands } = this;
    whenBothStand({ commands, subscriber: this.#subscriber, subscribe: () => this.#subscribe() }, listener.onConnected);
  }

  async listenAsController(isController: boolean): Promise<void> {
    this.#isController = isController;
    const channels = [WINDOWS_CHANNEL, QUESTIONS_CHANNEL];
    await this.attempt(() =>
      isController ? this.#subscriber.subscribe(...channels) : this.#subscriber.unsubscribe(...channels),
    );
  }

  async sendWindow(window: SampleWindow): Promise<void> {
    if (this.#windowsSent >= WINDOWS_SENT_MAX) return;
    this.#windowsSent += 1;
    await this.attempt(() => this.commands.publish(WINDOWS_CHANNEL, JSON.stringify(window)));
    this.#windowsSent -= 1;
  }

  /** Asks about one function, or all (null). Resolves to null if no node controls. Rejects with OVERLOADED. */
  async ask(name: string | null): Promise<Answer["answer"]> {
    if (this.#questions.size >= QUESTIONS_MAX) {
      throw new LocusError("OVERLOADED", `${QUESTIONS_MAX} questions wait for the node that controls: ask again later`);
    }
    // Random, so that nobody can publish an answer to a guessed question.
    const id = randomInt(2 ** 48 - 1);
    const { promise, resolve } = Promise.withResolvers<Answer["answer"]>();
    const timer = setTimeout(() => resolve(null), ANSWER_TIMEOUT_MS);
    this.#questions.set(id, resolve);
    // Not awaited: a frozen Redis counts against the same timeout.
    this.commands.publish(QUESTIONS_CHANNEL, JSON.stringify({ id, node: this.#node, function: name })).then(
      (receivers) => receivers === 0 && resolve(null),
      () => resolve(null),
    );
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#questions.delete(id);
    }
  }

  /** Never rejects. What Redis refuses is reported. */
  async attempt(send: () => Promise<unknown>): Promise<void> {
    try {
      await send();
    } catch (error) {
      this.failed(error as Error);
    }
  }

  /** The connections report their own losses. */
  failed({ name, message }: Error): void {
    if (name === "ReplyError") this.refused(message);
  }

  refused(reason: string): void {
    if (this.#refusals.has(reason) || this.#refusals.size >= QUESTIONS_MAX) return;
    this.#refusals.add(reason);
    this.#listener.onRefused(reason);
  }

  close(): void {
    for (const resolve of this.#questions.values()) resolve(null);
    this.commands.disconnect();
    this.#subscriber.disconnect();
  }

  async #subscribe(): Promise<void> {
    await this.attempt(() => this.#subscriber.subscribe(PLAN_CHANNEL, RULES_CHANNEL, answersTo(this.#node)));
    if (this.#isController) await this.listenAsController(true);
  }

  #hear(channel: string, text: string): void {
    const { onPlan, onRules, onWindow, onQuestion } = this.#listener;
    const pass = <Message>(message: Message | null, on: (message: Message) => void): void => {
      if (message === null) this.refused(`a message on ${channel} is invalid and is ignored`);
      else on(message);
    };
    if (channel === WINDOWS_CHANNEL) pass(readWindow(text), onWindow);
    else if (channel === PLAN_CHANNEL) pass(readPlanChange(text), onPlan);
    else if (channel === RULES_CHANNEL) onRules();
    else if (channel === QUESTIONS_CHANNEL) {
      pass(readQuestion(text), ({ id, node, function: name }) => {
        const answer: Answer = { id, answer: onQuestion(name) };
        void this.attempt(() => this.commands.publish(answersTo(node), JSON.stringify(answer)));
      });
    } else pass(readAnswer(text), ({ id, answer }) => this.#questions.get(id)?.(answer));
  }
}
