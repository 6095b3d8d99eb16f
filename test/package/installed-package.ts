// The package as somebody else has it: made by `npm pack`, installed into an empty project in the system's
// temporary folder, and used from there. Nothing of the checkout is on its way.

import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { NodeProcess } from "#test/node-process.ts";
import { environmentOf, type Settings } from "#test/tool.ts";

const REPOSITORY = join(import.meta.dirname, "..", "..");

export interface InstalledPackage {
  /** What was installed. */
  readonly tarball: string;
  /** The project's folder. */
  readonly project: string;
  /** The package's, inside of it. */
  readonly folder: string;
  /** Runs a program of the project's, as `npx` does. */
  run(tool: string, argv: readonly string[], settings?: Settings): Ended;
  /** Starts `locus node` on a free port and resolves with its URL. */
  startNode(settings: Settings): Promise<string>;
  /** Ends its nodes and removes the project. */
  close(): Promise<void>;
}

interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Packs and installs: tens of seconds, and npm has to reach its registry or have the dependencies in its cache. */
export function installPackage(): InstalledPackage {
  const project = mkdtempSync(join(tmpdir(), "locus-package-"));
  const run = (directory: string, ...argv: readonly string[]): string =>
    expectOk(spawnSync(...npm(argv), { cwd: directory, encoding: "utf8" })).stdout;
  const packed = run(REPOSITORY, "pack", "--silent", "--pack-destination", project);
  writeFileSync(join(project, "package.json"), "{}");
  const tarball = join(project, packed.trim().split("\n").at(-1) ?? "");
  run(project, "install", "--prefer-offline", "--no-audit", "--no-fund", tarball);
  const programs = join(project, "node_modules", ".bin");
  const PATH = `${programs}:${process.env["PATH"]}`;
  const nodes: NodeProcess[] = [];

  return {
    tarball,
    project,
    folder: join(project, "node_modules", "locus"),
    run: (tool, argv, settings = {}) =>
      spawnSync(tool, argv, { cwd: project, env: environmentOf({ PATH, ...settings }), encoding: "utf8" }),
    async startNode(settings) {
      const logPath = join(project, `node-${nodes.length}.log`);
      const node = await NodeProcess.start({
        settings: { PATH, ...settings },
        logPath,
        argv: [join(programs, "locus")],
        directory: project,
      });
      nodes.push(node);
      return node.url;
    },
    async close() {
      for (const node of nodes) await node.end("SIGTERM");
      rmSync(project, { recursive: true, force: true });
    },
  };
}

/** npm under the Node that runs it: Debian's knows no other. `npm run` tells both. */
function npm(argv: readonly string[]): [string, readonly string[]] {
  const { npm_node_execpath: node, npm_execpath: program } = process.env;
  return node === undefined || program === undefined ? ["npm", argv] : [node, [program, ...argv]];
}

function expectOk<Result extends Ended>(result: Result): Result {
  if (result.status !== 0) throw new Error(`it ended with ${result.status}:\n${result.stdout}${result.stderr}`);
  return result;
}
