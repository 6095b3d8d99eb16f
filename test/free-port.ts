// A port of this machine for a program that cannot be told to take any.

import { once } from "node:events";
import { createServer } from "node:net";

/**
 * Below those that the kernel gives to whoever asks for any: between here and the program that takes it nobody is given it. Each of vitest's
 * workers has ports of its own.
 */
const FIRST = 20_000;
const PER_WORKER = 1_000;
const WORKERS = 10;

const worker = Number(process.env["VITEST_POOL_ID"] ?? 0) % WORKERS;
/** The next worker of that number does not begin where this one does. */
let offset = Math.floor(Math.random() * PER_WORKER);

/** Of the loopback address; it was free a moment ago. */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < PER_WORKER; tries++) {
    offset = (offset + 1) % PER_WORKER;
    const port = FIRST + worker * PER_WORKER + offset;
    if (await isFree(port)) return port;
  }
  throw new Error(`none of ${PER_WORKER} ports is free`);
}

async function isFree(port: number): Promise<boolean> {
  const probe = createServer();
  try {
    await once(probe.listen(port, "127.0.0.1"), "listening");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE") throw error;
    return false;
  }
  probe.close();
  await once(probe, "close");
  return true;
}
