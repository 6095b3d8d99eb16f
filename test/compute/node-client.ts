// What a test asks a node over HTTP: deploy, call, health, metrics.

import type { Limits } from "#runtime/function/description.ts";
import type { NodeProcess } from "#test/node-process.ts";
import { PATIENT } from "#test/patient-limits.ts";

/** A problem document's status and code where the node refuses. */
export interface Answer {
  readonly status: number;
  readonly body: unknown;
}

const answerOf = async (response: Response): Promise<Answer> => ({
  status: response.status,
  body: await response.json(),
});

export const deploy = async ({ url }: NodeProcess, bundle: string): Promise<Answer> =>
  answerOf(
    await fetch(`${url}/v1/functions`, {
      method: "POST",
      body: bundle,
      headers: { "content-type": "application/javascript" },
    }),
  );

export const call = async ({ url }: NodeProcess, name: string, side: string, deadlineMs = 30_000): Promise<Answer> =>
  answerOf(
    await fetch(`${url}/v1/functions/${name}/invocations?side=${side}`, {
      method: "POST",
      headers: { "x-locus-deadline-ms": String(deadlineMs) },
    }),
  );

export const readiness = async ({ url }: NodeProcess): Promise<Answer> => answerOf(await fetch(`${url}/readyz`));

/** A metric without labels. */
export const metric = async ({ url }: NodeProcess, name: string): Promise<number> => {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(new RegExp(`^${name} (\\S+)$`, "m").exec(text)?.[1]);
};

/** The port in the first line of the node's log that has these words; null where none has. */
export const portSaid = (node: NodeProcess, words: string): number | null => {
  const lines = node.log().split("\n");
  const line = lines.find((text) => text.includes(words));
  return line === undefined ? null : (JSON.parse(line) as { readonly port: number }).port;
};

/** A line of a node's log: the message, and what belongs to it. */
type LogLine = Readonly<Record<string, unknown>> & { readonly msg: string };

/** The node's log at level warn and info, in order. */
export const logged = (node: NodeProcess): readonly LogLine[] =>
  node
    .log()
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line) as LogLine);

/** Messages of it. */
export const said = (node: NodeProcess): readonly string[] => logged(node).map(({ msg }) => msg);

/** A function of that name, patient unless its limits say otherwise. */
export const bundleOf = <Args = unknown>(
  name: string,
  run: (invocation: Invocation<Args>) => unknown,
  limits: Partial<Limits> = {},
): string =>
  `export default { kind: "locus.function", name: "${name}", limits: ${JSON.stringify({ ...PATIENT, ...limits })}, run: ${run.toString()} };\n`;

interface Invocation<Args> {
  readonly redis: Redis;
  readonly keys: readonly string[];
  readonly args: Args;
  readonly log: Log;
}

type Log = Readonly<Record<"info" | "warn", (message: string) => void>>;

interface Redis {
  hget(key: string, field: string): Promise<string | null>;
  get(key: string): Promise<string | null>;
  incr(key: string): Promise<number>;
  zscore(key: string, member: string): Promise<string | null>;
}
