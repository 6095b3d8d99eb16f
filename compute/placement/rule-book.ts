// The rules of the functions that are deployed, from what people have said of them: read from Redis when somebody says something, and again
// where that failed.

import type { Logger } from "pino";

import { FREE_RULES, type Rules } from "#runtime/placement/situation.ts";
import type { FunctionCache } from "../node/function-cache.ts";
import { toLocusError } from "../node/redis-error.ts";
import type { PlacementLink } from "./placement-link.ts";
import { SAID_NOTHING, type SaidRules } from "./said-rules.ts";

/** After what people have said could not be read. */
const RETRY_MS = 500;

interface RuleBookOptions {
  readonly link: Pick<PlacementLink, "readRules" | "writeRules">;
  readonly functions: FunctionCache;
  /** Whether this node takes back what was said of functions that are gone. */
  readonly isKeeper: () => boolean;
  /** Told whenever `rules` may be others. */
  readonly onChange: () => void;
  readonly log: Pick<Logger, "info">;
}

export class RuleBook {
  readonly #options: RuleBookOptions;
  #said: ReadonlyMap<string, SaidRules> = new Map();
  /** null: to be made anew. */
  #rules: ReadonlyMap<string, Rules> | null = null;
  #reading: Promise<void> = Promise.resolve();
  #next: Promise<void> | null = null;
  #retry: NodeJS.Timeout | undefined;
  #isForgetting = false;
  #isClosed = false;

  constructor(options: RuleBookOptions) {
    this.#options = options;
    options.functions.onChange(() => this.#review());
  }

  /** By function. */
  get rules(): ReadonlyMap<string, Rules> {
    this.#rules ??= new Map(
      this.#options.functions
        .list()
        .map(({ name, side }) => [name, { ...FREE_RULES, ...this.#said.get(name), preferred: side }]),
    );
    return this.#rules;
  }

  /** What is not said stays as it was; null takes back all. Rejects with REDIS_UNAVAILABLE and its kin. */
  async say(name: string, change: Partial<SaidRules> | null): Promise<SaidRules> {
    const { link } = this.#options;
    try {
      await link.writeRules(name, change);
      await this.read();
      return (await link.readRules()).get(name) ?? SAID_NOTHING;
    } catch (error) {
      throw toLocusError(error, `keep what was said of ${name}`);
    }
  }

  /** As they are now: who asks while they are being read shares the next reading with all others who do. Never rejects. */
  read(): Promise<void> {
    this.#next ??= this.#reading.then(() => {
      this.#next = null;
      return (this.#reading = this.#take());
    });
    return this.#next;
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#retry);
  }

  async #take(): Promise<void> {
    try {
      this.#said = await this.#options.link.readRules();
    } catch {
      // A connection that is back reads them as well, but an answer may only have been too late.
      if (this.#isClosed) return;
      this.#retry ??= setTimeout(() => {
        this.#retry = undefined;
        void this.read();
      }, RETRY_MS).unref();
      return;
    }
    this.#review();
  }

  #review(): void {
    this.#rules = null;
    this.#options.onChange();
    void this.#forgetGone();
  }

  /** Takes back what was said of functions that are deployed no more, once the registry has said so to this question. */
  async #forgetGone(): Promise<void> {
    const { link, functions, isKeeper, log } = this.#options;
    const gone = (): readonly string[] =>
      [...this.#said.keys()].filter((name) => functions.current(name, null) === undefined);
    if (!isKeeper() || this.#isForgetting || gone().length === 0) return;
    this.#isForgetting = true;
    try {
      await functions.refresh();
      for (const name of gone()) {
        await link.writeRules(name, null);
        log.info({ function: name }, "what was said of a function went with it");
      }
    } catch {
      // The next change of functions or rules tries again.
    }
    this.#isForgetting = false;
  }
}
