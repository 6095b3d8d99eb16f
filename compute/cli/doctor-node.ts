// `locus doctor`, a node: the one that the tools talk to. Where nothing names one it is to be of this machine: then the port
// must be free for it, or be a node's already.

import { once } from "node:events";
import { createServer } from "node:net";

import { ERRORS } from "#runtime/errors.ts";
import type { Health } from "../node/health.ts";
import type { NodePlace } from "./config.ts";
import { findings, type Finding } from "./doctor-finding.ts";
import { reasonOf } from "./node-client.ts";

const ANSWER_TIMEOUT_MS = 2_000;

/** Whoever says what is wrong says which settings to mend. */
const NAMES_SETTINGS = /; check LOCUS_/;

const LESS_LOAD = "end or move what else computes on that machine, or give it more cores";

const node = findings("node");

/** `host` and `port`: where `locus node` would listen here. */
export const examineNode = async (place: NodePlace, host: string, port: number): Promise<readonly Finding[]> => {
  const answer = await ask(place);
  if (typeof answer !== "string") return examineHealth(place, answer);
  if (place.isNamed) {
    const mend = `start it there (locus node), or correct ${place.from}`;
    return [node.missing("node", `none at ${place.url} (${place.from}): ${answer}`, mend)];
  }
  const obstacle = await listenObstacle(host, port);
  if (obstacle === null)
    return [node.ok("port", `${host}:${port} (${place.from}) is free for a node: none answers yet`)];
  const mend =
    "set LOCUS_HTTP_HOST and LOCUS_HTTP_PORT to what is free, or 0; if a node is elsewhere, say where: LOCUS_URL";
  return [node.missing("port", `${obstacle.message} (${place.from})`, mend)];
};

const examineHealth = (
  { url, from }: NodePlace,
  { ready, storage, compute, accepting, warnings }: Health,
): readonly Finding[] => {
  const sides = Object.entries({ storage, compute }).map(([name, side]) => {
    if (side.ready) return node.ok(`${name} side`, side.detail);
    // A node whose storage side is off is ready all the same: it runs everything itself.
    const say = ready ? node.warning : node.missing;
    const mend = NAMES_SETTINGS.test(side.detail) ? "correct them where the node is started" : ERRORS[side.code].remedy;
    return say(`${name} side`, `${side.code}: ${side.detail}`, mend);
  });
  const place = `${url} (${from})`;
  const lacks = warnings.map((warning) => node.warning("CPU", warning, LESS_LOAD));
  return accepting
    ? [node.ok("node", `answers at ${place}`), ...sides, ...lacks]
    : [node.missing("node", `the one at ${place} is stopping`, "start it again when it has ended")];
};

/** What a node says of itself, or why none does. */
const ask = async ({ url }: NodePlace): Promise<Health | string> => {
  try {
    const response = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS) });
    const health: unknown = await response.json();
    if (typeof health === "object" && health !== null && "accepting" in health) return health as Health;
  } catch (error) {
    return error instanceof SyntaxError ? NO_NODE : reasonOf(error);
  }
  return NO_NODE;
};

const NO_NODE = "something else answers there";

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
