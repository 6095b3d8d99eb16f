// `locus doctor`, a node: that its port can be had, or that a node has it already.

import { once } from "node:events";
import { createServer } from "node:net";

import { findings, type Finding } from "./doctor-finding.ts";

const ANSWER_TIMEOUT_MS = 2_000;

const node = findings("node");

export const examineNode = async (host: string, port: number): Promise<readonly Finding[]> => {
  const place = `${host}:${port}`;
  const obstacle = await listenObstacle(host, port);
  if (obstacle === null) return [node.ok("port", `${place} is free`)];
  if (obstacle.code === "EADDRINUSE" && (await isLocusNode(port)))
    return [node.ok("port", `a node answers at ${place}`)];
  return [node.missing("port", obstacle.message, "set LOCUS_HTTP_HOST and LOCUS_HTTP_PORT to what is free, or 0")];
};

const listenObstacle = async (host: string, port: number): Promise<NodeJS.ErrnoException | null> => {
  const probe = createServer();
  try {
    probe.listen(port, host);
    await once(probe, "listening");
    return null;
  } catch (error) {
    return error as NodeJS.ErrnoException;
  } finally {
    probe.close();
  }
};

const isLocusNode = async (port: number): Promise<boolean> => {
  try {
    const response = await fetch(`http://127.0.0.1:${port}/readyz`, { signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS) });
    return Object.hasOwn((await response.json()) as object, "accepting");
  } catch {
    return false;
  }
};
