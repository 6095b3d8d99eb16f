// The package as somebody else has it: made by `npm pack`, installed into an empty project in the system's
// temporary folder, and used from there. Nothing of the checkout is on its way.

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

const REPOSITORY = join(import.meta.dirname, "..", "..");

export interface InstalledPackage {
  /** The project's folder. */
  readonly project: string;
  /** The package's, inside of it. */
  readonly folder: string;
  /** Runs a program of the project's, as `npx` does. */
  run(tool: string, argv: readonly string[], settings?: Readonly<Record<string, string>>): Ended;
  /** Starts `locus node` on a free port and resolves with its URL. */
  startNode(settings: Readonly<Record<string, string>>): Promise<string>;
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
  const tarball = `./${packed.trim().split("\n").at(-1)}`;
  run(project, "install", "--prefer-offline", "--no-audit", "--no-fund", tarball);
  const environment = (settings: Readonly<Record<string, string>>): NodeJS.ProcessEnv => ({
    ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("LOCUS_"))),
    PATH: `${join(project, "node_modules", ".bin")}:${process.env["PATH"]}`,
    ...settings,
  });
  const nodes: ChildProcess[] = [];

  return {
    project,
    folder: join(project, "node_modules", "locus"),
    run: (tool, argv, settings = {}) =>
      spawnSync(tool, argv, { cwd: project, env: environment(settings), encoding: "utf8" }),
    async startNode(settings) {
      const node = spawn("locus", ["node"], {
        cwd: project,
        env: environment({ ...settings, LOCUS_HTTP_PORT: "0" }),
        stdio: ["ignore", "pipe", "inherit"],
      });
      nodes.push(node);
      for await (const line of createInterface(node.stdout)) {
        const { msg, port } = JSON.parse(line) as { readonly msg: string; readonly port?: number };
        if (msg === "listening") return `http://127.0.0.1:${port}`;
      }
      throw new Error("the node ended before it listened");
    },
    async close() {
      for (const node of nodes.filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null)) {
        node.kill("SIGTERM");
        await once(node, "exit");
      }
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
