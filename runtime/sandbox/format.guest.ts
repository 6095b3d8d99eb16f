// The text of one log call: `format` of node:util. Used by console.guest.ts.

import { inspect } from "./inspect.guest.ts";

/** Text is shown as it is; a first text may have places for what follows it: `%s %d %i %f %j %o %O %c %%`. */
export function format(values: readonly unknown[]): string {
  const [first] = values;
  if (typeof first !== "string") return values.map(shown).join(" ");
  let next = 1;
  const filled =
    values.length === 1
      ? first
      : first.replace(/%([sdifjoOc%])/g, (place, kind: string) => {
          if (kind === "%") return "%";
          if (next === values.length) return place;
          return inPlace(kind, values[next++]);
        });
  return [filled, ...values.slice(next).map(shown)].join(" ");
}

const shown = (value: unknown): string => (typeof value === "string" ? value : inspect(value));

function inPlace(kind: string, value: unknown): string {
  try {
    switch (kind) {
      case "s":
        return asText(value);
      case "d":
        return typeof value === "bigint" ? inspect(value) : inspect(typeof value === "symbol" ? NaN : Number(value));
      case "i":
        if (typeof value === "bigint") return inspect(value);
        return inspect(typeof value === "symbol" ? NaN : Number.parseInt(value as string, 10));
      case "f":
        return inspect(typeof value === "symbol" ? NaN : Number.parseFloat(value as string));
      case "j":
        return asJson(value);
      case "o":
        return inspect(value, { showHidden: true, depth: 4 });
      case "O":
        return inspect(value);
      default:
        return "";
    }
  } catch {
    return inspect(value);
  }
}

function asText(value: unknown): string {
  if (typeof value === "number" || typeof value === "bigint") return inspect(value);
  if (typeof value === "object" && value !== null && !hasOwnText(value)) return inspect(value, { depth: 0 });
  return String(value);
}

/** Whether the object or its class has a `toString` of its own. */
function hasOwnText(value: object): boolean {
  for (let at: object | null = value; at !== null; at = Reflect.getPrototypeOf(at)) {
    if (!Object.hasOwn(at, "toString") && !Object.hasOwn(at, Symbol.toPrimitive)) continue;
    const type: unknown = Object.getOwnPropertyDescriptor(at, "constructor")?.value;
    return at === value || typeof type !== "function" || !BUILT_IN.has(type.name);
  }
  return false;
}

/** Names of the language's own classes, from before the function's code runs. */
const BUILT_IN: ReadonlySet<string> = new Set(
  Object.getOwnPropertyNames(globalThis).filter((name) => /^[A-Z][a-zA-Z0-9]+$/.test(name)),
);

function asJson(value: unknown): string {
  try {
    return JSON.stringify(value) ?? "undefined";
  } catch (error) {
    if (error instanceof TypeError && error.message.includes("circular")) return "[Circular]";
    throw error;
  }
}
