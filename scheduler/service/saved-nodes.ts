// What a scheduler of reserved nodes keeps over a restart: whose the nodes are, and which functions their containers are of, since a node tells only
// what its containers are called.

/** JSON. */
export interface SavedNodes {
  /** As which they were reserved. */
  readonly owner: string;
  /** By node, by container: its function. */
  readonly nodes: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly functions: Readonly<Record<string, SavedTerms>>;
}

/** With which a function was declared. */
interface SavedTerms {
  readonly memoryMb: number;
  readonly timeoutMs: number;
}

export interface KnownContainer extends SavedTerms {
  readonly key: string;
}

export interface KnownNodes {
  readonly owner: string;
  /** By node, by container. */
  readonly nodes: Map<string, ReadonlyMap<string, KnownContainer>>;
}

/** Of containers as they are: `nodes` without one included. */
export const savedOf = ({ owner, nodes }: KnownNodes): SavedNodes => {
  const functions = new Map<string, SavedTerms>();
  const entries = Array.from(nodes, ([id, containers]) => {
    const keys = Array.from(containers, ([container, { key, memoryMb, timeoutMs }]) => {
      functions.set(key, { memoryMb, timeoutMs });
      return [container, key] as const;
    });
    return [id, Object.fromEntries(keys)] as const;
  });
  return { owner, nodes: Object.fromEntries(entries), functions: Object.fromEntries(functions) };
};

/** What was saved. Throws where it is none, since anybody may have written it. */
export function knownIn(saved: unknown): KnownNodes {
  const { owner, nodes, functions } = recordIn(saved);
  if (typeof owner !== "string" || owner === "") throw wrong();
  const terms = new Map(Object.entries(recordIn(functions)).map(([key, value]) => [key, termsIn(key, value)]));
  const known = Object.entries(recordIn(nodes)).map(([id, containers]) => {
    const entries = Object.entries(recordIn(containers)).map(([container, key]) => {
      const its = terms.get(String(key));
      if (its === undefined) throw wrong();
      return [container, its] as const;
    });
    return [id, new Map(entries)] as const;
  });
  return { owner, nodes: new Map(known) };
}

function termsIn(key: string, value: unknown): KnownContainer {
  const { memoryMb, timeoutMs } = recordIn(value);
  if (!isPositive(memoryMb) || !isPositive(timeoutMs)) throw wrong();
  return { key, memoryMb, timeoutMs };
}

const isPositive = (value: unknown): value is number => typeof value === "number" && value > 0 && value < Infinity;

function recordIn(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null) throw wrong();
  return value as Readonly<Record<string, unknown>>;
}

const wrong = (): Error => new Error("its nodes are none of a scheduler's");
