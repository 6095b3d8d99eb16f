// The 2023 contest's score, higher is better, 0 to 100: half for memory that executed ÷ memory that was held, half for
// time executing ÷ time executing and waiting.

import type { Replay } from "./replay.ts";

export interface Score2023 {
  readonly score: number;
  readonly resourceUsageScore: number;
  readonly coldStartTimeScore: number;
  readonly executionSeconds: number;
  readonly executionGbSeconds: number;
  readonly scheduleSeconds: number;
  readonly slotGbSeconds: number;
}

export function score2023({ trace, waitMs, slotGbSeconds }: Replay): Score2023 {
  const { functions, functionOf, durationMs } = trace;
  let [executionSeconds, executionGbSeconds, scheduleSeconds] = [0, 0, 0];
  for (let call = 0; call < durationMs.length; call++) {
    const seconds = durationMs[call]! / 1e3;
    executionSeconds += seconds;
    executionGbSeconds += (seconds * functions[functionOf[call]!]!.memoryMb) / 1024;
    scheduleSeconds += waitMs[call]! / 1e3;
  }
  const slots = slotGbSeconds.reduce((sum, one) => sum + one, 0);
  const resourceUsageScore = slots === 0 ? 0 : (executionGbSeconds / slots) * 50;
  const coldStartTimeScore = (executionSeconds / (executionSeconds + scheduleSeconds || 1)) * 50;
  return {
    score: resourceUsageScore + coldStartTimeScore,
    resourceUsageScore,
    coldStartTimeScore,
    executionSeconds,
    executionGbSeconds,
    scheduleSeconds,
    slotGbSeconds: slots,
  };
}
