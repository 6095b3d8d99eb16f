// What stands before an error's properties when it is shown: its stack, as Node shows it. Used by inspect.guest.ts.

import { attempt } from "./error-causes.guest.ts";
import { prefix } from "./inspect-layout.guest.ts";

/** Of a stack: as long as the longest log line. */
const LENGTH_MAX = 4_096;

/** The stack, and among the keys the cause and the members, but not what the stack shows already. */
export function errorText(
  error: Error,
  constructor: string | null,
  tag: string,
  keys: PropertyKey[],
  showHidden: boolean,
): string {
  const read = (key: string): unknown => attempt(() => (error as unknown as Readonly<Record<string, unknown>>)[key]);
  const stack = stackOf(error);
  const isShown = (key: PropertyKey): boolean => {
    if (key === "stack") return true;
    if (key !== "message" && key !== "name") return false;
    const text = read(key);
    return typeof text !== "string" || stack.includes(text);
  };
  if (!showHidden) keys.splice(0, keys.length, ...keys.filter((key) => !isShown(key)));
  if (Object.hasOwn(error, "cause") && !keys.includes("cause")) keys.push("cause");
  if (Object.hasOwn(error, "errors") && Array.isArray(read("errors")) && !keys.includes("errors")) keys.push("errors");
  const message = read("message");
  const improved = improvedStack(stack, constructor, nameOf(read("name")), tag);
  const at = typeof message === "string" && message !== "" ? improved.indexOf(message) : -1;
  const start = improved.indexOf("\n    at", at === -1 ? 0 : at + String(message).length);
  let text = start === -1 ? `[${improved}]` : improved.slice(0, start);
  if (start !== -1) text += `\n${framesOf(improved.slice(start + 1), read("cause")).join("\n")}`;
  return text;
}

/** Without frames of locus' own programs. */
function stackOf(error: Error): string {
  const stack: unknown = attempt(() => error.stack);
  const text = typeof stack === "string" && stack !== "" ? stack : (attempt(() => String(error)) ?? "Error");
  const lines = text.slice(0, LENGTH_MAX).split("\n");
  return lines.filter((line) => !/^ {4}at .*<locus>/.test(line)).join("\n");
}

/** The class before the message where the error's name does not give it. */
function improvedStack(stack: string, constructor: string | null, name: string, tag: string): string {
  const after = stack[name.length] ?? "";
  const isRegular = name.endsWith("Error") && stack.startsWith(name) && ["", ":", "\n"].includes(after);
  if (constructor !== null && !isRegular) return stack;
  const named = /^([A-Z][a-z_ A-Z0-9[\]()-]+)(?::|\n {4}at)/.exec(stack) ?? /^([a-z_A-Z0-9-]*Error)$/.exec(stack);
  const title = constructor === null ? (named?.[1] ?? "") : name;
  const full = prefix(constructor, tag, title || "Error").slice(0, -1);
  if (name === full) return stack;
  if (!full.includes(name)) return `${full} [${name}]${stack.slice(title.length)}`;
  return title === "" ? `${full}: ${stack}` : full + stack.slice(title.length);
}

/** Frames that the cause's stack has as well are counted only. */
function framesOf(text: string, cause: unknown): string[] {
  const frames = text.split("\n");
  const below = cause instanceof Error ? stackOf(cause).split("\n") : [];
  for (let i = 0; i < frames.length - 3; i++) {
    const at = below.indexOf(frames[i]!);
    let length = 0;
    while (i + length < frames.length && frames[i + length] === below[at + length]) length += 1;
    if (at === -1 || length <= 3) continue;
    frames.splice(i + 1, length - 2, `    ... ${length - 2} lines matching cause stack trace ...`);
    break;
  }
  return frames;
}

// oxlint-disable-next-line typescript/no-base-to-string -- a name may be anything
const nameOf = (name: unknown): string => attempt(() => String(name ?? "Error")) ?? "Error";
