// What the Dockerfile says of its stages, for tests that have no engine.

import { readFileSync } from "node:fs";
import { join } from "node:path";

const DOCKERFILE = join(import.meta.dirname, "..", "..", "Dockerfile");

export interface Stage {
  readonly name: string;
  /** An image, or a stage before this one. */
  readonly base: string;
  /** What it says itself, its base's apart. */
  readonly environment: Readonly<Record<string, string>>;
  /** Of its containers, where they are told no other; empty: its base's. */
  readonly command: readonly string[];
}

export const stagesOfDockerfile = (): readonly Stage[] =>
  readFileSync(DOCKERFILE, "utf8")
    .split(/^(?=FROM )/m)
    .slice(1)
    .map(stageIn);

function stageIn(text: string): Stage {
  const [, base = "", name = ""] = /^FROM (\S+) AS (\S+)/.exec(text) ?? [];
  const settings = [...text.matchAll(/^ENV (.+)$/gm)].flatMap(([, line = ""]) => line.split(" "));
  const environment = Object.fromEntries(settings.map((setting) => setting.split("=", 2) as [string, string]));
  const [, command = "[]"] = /^CMD (.+)$/m.exec(text) ?? [];
  return { name, base, environment, command: JSON.parse(command) as string[] };
}
