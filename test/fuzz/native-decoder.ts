// The decoder of replies in C++ (runtime/native/reply_decoder.h), asked through a program of its own, which is built with the
// sanitizers.

import { spawnSync } from "node:child_process";

import type { ReplyShape } from "#runtime/channel/command-rule.ts";
import { buildSanitized } from "#test/sanitized-build.ts";

const SHAPES: readonly ReplyShape[] = ["plain", "object", "pairs", "streams"];

export interface Question {
  readonly bytes: Uint8Array;
  readonly shape: ReplyShape;
  readonly binary: boolean;
}

/** What a decoder makes of the bytes; a value as `tagged` writes it. */
export type Answer = "incomplete" | "malformed" | { readonly value: unknown; readonly end: number };

/** An answer to each question. Throws with what a sanitizer has found. */
export function askNativeDecoder(questions: readonly Question[]): readonly Answer[] {
  const [program = ""] = buildSanitized("address", ["test/reply_decoder_test"]);
  const input = questions.map(({ bytes, shape, binary }) => {
    const hex = Buffer.from(bytes).toString("hex") || "-";
    return `${SHAPES.indexOf(shape)} ${binary ? 1 : 0} ${hex}`;
  });
  const result = spawnSync(program, { input: input.join("\n"), encoding: "utf8", maxBuffer: 1 << 28 });
  if (result.status !== 0) throw new Error(`the decoder ended with ${result.status}:\n${result.stderr}`);
  const lines = result.stdout.trimEnd().split("\n");
  if (lines.length !== questions.length) throw new Error(`${lines.length} answers to ${questions.length} questions`);
  return lines.map(readAnswer);
}

function readAnswer(line: string): Answer {
  const [outcome = "", end = "", ...json] = line.split(" ");
  if (outcome === "incomplete" || outcome === "malformed") return outcome;
  return { value: readValue(JSON.parse(json.join(" "))), end: Number(end) };
}

type Written =
  | null
  | readonly Written[]
  | { readonly i: string }
  | { readonly t: string }
  | { readonly b: string }
  | { readonly e: string }
  | { readonly o: readonly (readonly [{ readonly t: string }, Written])[] };

function readValue(written: Written): unknown {
  if (written === null) return null;
  if ("i" in written) return Number(written.i);
  if ("t" in written) return textOf(written.t);
  if ("b" in written) return { $bytes: written.b };
  if ("e" in written) return { $error: textOf(written.e) };
  if ("o" in written) return Object.fromEntries(written.o.map(([name, item]) => [textOf(name.t), readValue(item)]));
  return written.map(readValue);
}

const textOf = (hex: string): string => new TextDecoder("utf-8", { ignoreBOM: true }).decode(Buffer.from(hex, "hex"));
