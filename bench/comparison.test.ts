import { expect, test } from "vitest";
import { comparisonText } from "./comparison.ts";

test("the first way is the baseline, and every column is as wide as its widest cell", () => {
  const text = comparisonText([
    {
      name: "ordinary client",
      summary: { callsPerSecond: 212.345, p50Us: 3_210, p99Us: 20_400, roundsPerCall: 60.13, bytesPerCall: 12_345.6 },
    },
    {
      name: "storage",
      summary: { callsPerSecond: 8_493.8, p50Us: 87.4, p99Us: null, roundsPerCall: null, bytesPerCall: 900 },
    },
  ]);
  expect(text.split("\n")).toEqual([
    "                  calls/s   ratio         p50       p99   rounds/call   bytes/call",
    "ordinary client       212      1×     3.21 ms   20.4 ms          60.1       12,346",
    "storage             8,494     40×   0.0874 ms         –             –          900",
  ]);
});
