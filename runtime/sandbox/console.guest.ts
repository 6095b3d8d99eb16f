// `console` and `log` of a function, over whatever takes their lines. Used in isolates (prelude.guest.ts), and by instances
// that are processes.

import { tableOf } from "./console-table.guest.ts";
import { format } from "./format.guest.ts";
import { inspect, type InspectOptions } from "./inspect.guest.ts";

export type Level = "debug" | "info" | "warn" | "error";

export type Write = (line: string) => void;

/** Spaces before a line in a group, however many groups there are around it. */
const INDENTATION_MAX = 40;

/** One line, as long as a log line may be. Never throws. */
export function logLine(level: Level, values: readonly unknown[], lengthMax: number, indentation = ""): string {
  let text = "[a value that cannot be shown]";
  try {
    text = format(values);
  } catch {
    // The function's own code ran, such as a toString.
  }
  const start = (level === "info" ? "" : `${level}: `) + indentation;
  const line = start + (indentation === "" ? text : text.replaceAll("\n", `\n${indentation}`));
  return line.length > lengthMax ? `${line.slice(0, lengthMax)}…` : line;
}

export function makeLog(write: Write, lengthMax: number) {
  const at =
    (level: Level) =>
    (...values: readonly unknown[]): void =>
      write(logLine(level, values, lengthMax));
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}

/** `endGroups`: what is written from now on is in no group. `now` gives ms. */
export function makeConsole(write: Write, lengthMax: number, now: () => number) {
  let indentation = "";
  const counts = new Map<string, number>();
  const started = new Map<string, number>();
  const at =
    (level: Level) =>
    (...values: readonly unknown[]): void =>
      write(logLine(level, values, lengthMax, indentation.slice(0, INDENTATION_MAX)));
  const [debug, info, warn, error] = [at("debug"), at("info"), at("warn"), at("error")];

  const tellTime = (method: string, label: string, data: readonly unknown[]): void => {
    const start = started.get(label);
    if (start === undefined) warn(`No such label '${label}' for console.${method}()`);
    else info("%s: %s", label, durationOf(now() - start), ...data);
  };
  const group = (...values: readonly unknown[]): void => {
    if (values.length > 0) info(...values);
    indentation += "  ";
  };

  const console = Object.freeze({
    debug,
    info,
    warn,
    error,
    log: info,
    dirxml: info,
    dir: (value: unknown, options?: InspectOptions) => info(inspect(value, { customInspect: false, ...options })),
    table(data: unknown, columns?: readonly string[]): void {
      const isTable = typeof data === "object" && data !== null;
      info(isTable ? tableOf(data, columns) : data);
    },
    trace: function trace(...values: readonly unknown[]): void {
      const error = new Error();
      Error.captureStackTrace(error, trace);
      const frames = (error.stack ?? "").split("\n    at ").slice(1);
      const title = values.length === 0 ? "Trace" : `Trace: ${format(values)}`;
      debug([title, ...frames.filter((frame) => !frame.includes("<locus>"))].join("\n    at "));
    },
    assert(condition?: unknown, ...values: readonly unknown[]): void {
      if (condition) return;
      const [first, ...others] = values;
      if (typeof first === "string") warn(`Assertion failed: ${first}`, ...others);
      else warn("Assertion failed", ...values);
    },
    clear(): void {},
    count(label: unknown = "default"): void {
      const name = String(label);
      const count = (counts.get(name) ?? 0) + 1;
      counts.set(name, count);
      info(`${name}: ${count}`);
    },
    countReset(label: unknown = "default"): void {
      const name = String(label);
      if (!counts.delete(name)) warn(`Count for '${name}' does not exist`);
    },
    group,
    groupCollapsed: group,
    groupEnd(): void {
      indentation = indentation.slice(2);
    },
    time(label: unknown = "default"): void {
      const name = String(label);
      if (started.has(name)) warn(`Label '${name}' already exists for console.time()`);
      else started.set(name, now());
    },
    timeLog: (label: unknown = "default", ...data: readonly unknown[]) => tellTime("timeLog", String(label), data),
    timeEnd(label: unknown = "default"): void {
      tellTime("timeEnd", String(label), []);
      started.delete(String(label));
    },
  });
  return {
    console,
    endGroups: (): void => {
      indentation = "";
    },
  };
}

function durationOf(ms: number): string {
  if (ms < 1_000) return `${Number(ms.toFixed(3))}ms`;
  if (ms < 60_000) return `${(ms / 1_000).toFixed(3)}s`;
  const [seconds = "", thousandths] = ((ms % 60_000) / 1_000).toFixed(3).split(".");
  const [hours, minutes] = [Math.floor(ms / 3_600_000), Math.floor(ms / 60_000) % 60];
  const before = hours === 0 ? `${minutes}` : `${hours}:${`${minutes}`.padStart(2, "0")}`;
  return `${before}:${seconds.padStart(2, "0")}.${thousandths} (${hours === 0 ? "" : "h:m"}m:ss.mmm)`;
}
