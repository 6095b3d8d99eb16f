// `node test/main-closing-line.ts REPORT CHECKS CHECKS_FAILED STATUS`: ends a run of `./build.sh test` with one line that counts
// all of it, after those tests that passed at their second attempt alone, with what the first ended with: each is a fault of a test or of
// locus that is still to be found. REPORT is what vitest's JSON reporter has written, STATUS how vitest ended.

import { existsSync, readFileSync } from "node:fs";
import { relative } from "node:path";

interface Report {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly numTodoTests: number;
  readonly testResults: readonly TestFile[];
}

interface TestFile {
  readonly name: string;
  readonly status: string;
  readonly assertionResults: readonly TestResult[];
}

interface TestResult {
  readonly fullName: string;
  readonly status: string;
  /** Of all attempts. */
  readonly failureMessages: readonly string[];
}

const NO_TESTS: Report = { numPassedTests: 0, numFailedTests: 0, numPendingTests: 0, numTodoTests: 0, testResults: [] };

const [path = "", ...numbers] = process.argv.slice(2);
const [checks = 0, checksFailed = 0, status = 1] = numbers.map(Number);
const report = existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as Report) : NO_TESTS;
// A file that could not be loaded has no tests, and counts as one that failed.
const unloaded = report.testResults.filter((file) => file.status === "failed" && file.assertionResults.length === 0);
const testsFailed = report.numFailedTests + unloaded.length;
// An error outside of any test, or no report at all, fails the run without failing a test.
const outside = status !== 0 && testsFailed === 0 ? 1 : 0;
const passed = report.numPassedTests + checks - checksFailed;
const failed = testsFailed + checksFailed + outside;
for (const file of report.testResults) {
  for (const { fullName, status: ended, failureMessages } of file.assertionResults) {
    const [first] = failureMessages;
    if (ended !== "passed" || first === undefined) continue;
    process.stdout.write(`flaky: ${relative("", file.name)}: ${fullName}\n  ${first.split("\n    at ", 1)[0] ?? ""}\n`);
  }
}
process.stdout.write(`${passed} passed, ${failed} failed, ${report.numPendingTests + report.numTodoTests} skipped\n`);
process.exitCode = failed === 0 ? 0 : 1;
