// What `./build.sh demo` shows, to its end: the same walks in four ways side by side, and of both functions why they are where they are.

import { join } from "node:path";
import { expect, test } from "vitest";
import { runCommand } from "./command.ts";

const REPOSITORY = join(import.meta.dirname, "..");
/** A quarter of a minute; on a loaded machine more. */
const TIMEOUT_MS = 300_000;
const WAYS = ["an ordinary client", "locus, compute side", "locus, next to the data", "locus, where it chooses"];

test(
  "the demo ends with a row for each way, the automatic one too, and with a reason for each function",
  async () => {
    const argv = [process.execPath, "bench/main-demo.ts"];
    const printed = await runCommand(argv, { directory: REPOSITORY, timeoutMs: TIMEOUT_MS });
    for (const way of WAYS) expect(printed).toMatch(new RegExp(`^${way} +[\\d.,]+ +[\\d.,]+× +[\\d.,]+ ms `, "m"));
    // A sentence with figures: that nothing is planned or known has none.
    for (const name of ["khop", "hash-password"]) {
      expect(printed).toMatch(new RegExp(`^Why is ${name} where it is \\([a-z]+\\)\\? [A-Z].*\\d.*\\.$`, "m"));
    }
    // Where it is that is known from the calls that were made there, and not from the model.
    expect(printed).toMatch(
      /^Why is khop where it is .* A call takes [\d.,]+ .?s at (compute|storage) (?!\(by the model\))/m,
    );
  },
  TIMEOUT_MS,
);
