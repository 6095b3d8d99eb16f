// How a node stops when it is told to: once, in order, within a bound; and at once when it is told again.

import { constants } from "node:os";

const SIGNALS = ["SIGTERM", "SIGINT"] as const;

/** Runs `stop` at the first signal and exits with 0 when it is done, with 1 where it fails. A second signal exits at once. */
export const onStopSignal = (stop: (signal: NodeJS.Signals) => Promise<void>): void => {
  let stopping = false;
  const heard = (signal: (typeof SIGNALS)[number]): void => {
    if (stopping) process.exit(128 + constants.signals[signal]);
    stopping = true;
    stop(signal).then(
      () => process.exit(0),
      () => process.exit(1),
    );
  };
  for (const signal of SIGNALS) process.on(signal, heard);
};

interface Listener {
  /** Takes no more connections; resolves when the last request is answered. */
  close(): Promise<unknown>;
  readonly server: { closeAllConnections(): void };
}

/** Lets requests in flight end for at most `graceMs`, then drops their connections, which cancels them. */
export const stopWithin = async (graceMs: number, listener: Listener): Promise<void> => {
  const timer = setTimeout(() => listener.server.closeAllConnections(), graceMs);
  try {
    await listener.close();
  } finally {
    clearTimeout(timer);
  }
};
