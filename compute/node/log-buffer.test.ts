import { describe, expect, it } from "vitest";

import { LogBuffer, type LogLine } from "./log-buffer.ts";

const said = (source: string, text: string) =>
  ({ level: "info", source, side: "compute", invocation: "abc-1", text }) as const;
const NOON = new Date("2026-01-01T12:00:00Z");

describe("LogBuffer", () => {
  it("keeps the last thousand lines, oldest first", () => {
    const buffer = new LogBuffer(() => NOON);
    for (let index = 0; index < 1_500; index += 1) buffer.append(said(index % 2 === 0 ? "even" : "odd", `${index}`));
    const texts = buffer.lines(null).map((line) => line.text);
    expect(texts).toEqual(Array.from({ length: 1_000 }, (_, index) => `${index + 500}`));
    expect(buffer.lines("odd")).toHaveLength(500);
    expect(buffer.lines("odd")[0]).toEqual({ time: "2026-01-01T12:00:00.000Z", ...said("odd", "501") });
  });

  it("keeps what others said when one source floods it, and a quarter of its lines at least", () => {
    const buffer = new LogBuffer();
    for (let index = 0; index < 300; index += 1) buffer.append(said("calm", `${index}`));
    buffer.append(said("rare", "once"));
    for (let index = 0; index < 5_000; index += 1) buffer.append(said("flood", `${index}`));
    const textsOf = (source: string) => buffer.lines(source).map((line) => line.text);
    const numbers = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => `${from + index}`);
    expect(buffer.lines(null)).toHaveLength(1_000);
    expect(textsOf("rare")).toEqual(["once"]);
    expect(textsOf("calm")).toEqual(numbers(50, 300));
    expect(textsOf("flood")).toEqual(numbers(4_251, 5_000));
  });

  it("lets the oldest line go, whoever's it is, where many share it", () => {
    const buffer = new LogBuffer();
    for (let index = 0; index < 1_100; index += 1) buffer.append(said(`source-${index % 200}`, `${index}`));
    expect(buffer.lines(null).map((line) => line.text)).toEqual(Array.from({ length: 1_000 }, (_, i) => `${i + 100}`));
    for (let index = 0; index < 1_000; index += 1) buffer.append(said(`other-${index}`, ""));
    expect(buffer.lines("source-0")).toEqual([]);
    expect(buffer.lines(null)).toHaveLength(1_000);
  });

  it("keeps the beginning of a line that is too long", () => {
    const buffer = new LogBuffer();
    buffer.append(said("khop", "x".repeat(10_000)));
    expect(buffer.lines(null)[0]?.text).toHaveLength(4_096);
  });

  it("tells who follows what comes from then on, until they leave", () => {
    const buffer = new LogBuffer();
    buffer.append(said("khop", "before"));
    const heard: LogLine[] = [];
    const leave = buffer.follow((line) => heard.push(line));
    buffer.append(said("khop", "now"));
    leave();
    buffer.append(said("khop", "later"));
    expect(heard.map((line) => line.text)).toEqual(["now"]);
  });

  it("refuses one follower too many", () => {
    const buffer = new LogBuffer();
    const leave = Array.from({ length: 32 }, () => buffer.follow(() => {}))[0];
    expect(() => buffer.follow(() => {})).toThrow(expect.objectContaining({ code: "OVERLOADED" }));
    leave?.();
    expect(() => buffer.follow(() => {})).not.toThrow();
  });
});
