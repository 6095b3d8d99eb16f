import { describe, expect, it } from "vitest";
import { causesOf } from "./error-causes.guest.ts";

/** An error whose stack is its title and one frame. */
function made(message: string, options?: ErrorOptions): Error {
  const error = new Error(message, options);
  error.stack = `Error: ${message}\n    at made (file.ts:1:1)`;
  return error;
}

describe("what stands behind an error", () => {
  it("is nothing without a cause and members", () => {
    expect([new Error("a"), "text", null, { cause: undefined }].map((thrown) => causesOf(thrown))).toEqual(
      Array.from({ length: 4 }, () => ({ message: "", stack: "" })),
    );
  });

  it("is shown with its own causes and members, each level indented", () => {
    const error = made("a", { cause: made("b", { cause: { reason: "full" } }) });
    expect(causesOf(error)).toEqual({
      message: ' [cause: Error: b [cause: {"reason":"full"}]]',
      stack: '\n  [cause] Error: b\n      at made (file.ts:1:1)\n    [cause] {"reason":"full"}',
    });
    const members = new AggregateError([made("c"), "text", 7n], "all failed");
    expect(causesOf(members)).toEqual({
      message: ' [errors: Error: c; "text"; 7]',
      stack: '\n  [errors] Error: c\n      at made (file.ts:1:1)\n  [errors] "text"\n  [errors] 7',
    });
  });

  it("ends at a circle", () => {
    const error = new Error("a");
    error.cause = error;
    expect(causesOf(error).message).toBe(" [cause: circular]");
  });

  it("is bounded in depth, number and length", () => {
    let deep = made("x".repeat(10_000));
    for (let i = 0; i < 1_000; i++) deep = made("x".repeat(10_000), { cause: deep });
    expect(causesOf(deep).message).toMatch(/(?: \[cause: Error: x+…){4} \[cause: 1 more\]{5}$/);
    const wide = new AggregateError(
      Array.from({ length: 100_000 }, () => new AggregateError(Array.from({ length: 100 }, () => deep))),
    );
    const { message, stack } = causesOf(wide);
    expect(message).toMatch(/ 99999 more\]$/);
    expect(message.length).toBeLessThan(16 * 1024);
    expect(stack.length).toBeLessThan(32 * 1024);
  });

  it("can be hostile", () => {
    const again = (): never => {
      throw new Error("again");
    };
    const thrower = { get: again };
    const hostile = Object.defineProperties(new Error("h"), { message: thrower, stack: thrower, cause: thrower });
    expect(causesOf(hostile)).toEqual({ message: "", stack: "" });
    expect(causesOf(new Error("a", { cause: hostile })).message).toBe(" [cause: Error]");
    const proxy = new Proxy(new Error("p"), { get: again, getPrototypeOf: again });
    expect(causesOf(new Error("a", { cause: proxy })).message).toBe(" [cause: a value that has no text]");
    expect(causesOf({ errors: new Proxy([], thrower) })).toEqual({ message: "", stack: "" });
  });
});
