// `locus doctor`, the build: that the native parts are there, load on this machine, and make a sandbox host that is
// confined. The host is a real one.

import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { basename } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { MemoryChannel } from "#runtime/channel/memory-channel.ts";
import { startSupervisor } from "#runtime/sandbox/start-supervisor.ts";
import { findings, type Finding } from "./doctor-finding.ts";
import { INSTALLATION } from "./installation.ts";

/** Starting a program or loading an addon. Generous: a loaded machine takes a second. */
const LOAD_TIMEOUT_MS = 10_000;
const HOST_TIMEOUT_MS = 10_000;
/** The smallest bundle that there is: it takes an isolate to check it. */
const BUNDLE = `export default { kind: "locus.function", name: "doctor", run() {} };`;
/** What the launcher prints when it is asked for nothing, and its exit code then. */
const LAUNCHER_IDLE = 2;

/** Parts of the confinement that depend on the machine's settings (docs/sandbox.md); the filters do not. */
const FILTERS = ["calls", "threads"];
const NAMESPACES = ["network", "ipc"];

const build = findings("build");

export const examineBuild = async (): Promise<readonly Finding[]> => {
  const { launcher, addons, module } = INSTALLATION;
  const files = [launcher, ...addons, module];
  const absent = files.filter((file) => !existsSync(file));
  if (absent.length > 0)
    return [build.missing("native parts", `${absent.join(", ")}: not there`, INSTALLATION.buildCommand)];
  const broken = [launcherFault(), ...addons.map(addonFault)].filter((fault) => fault !== null);
  if (broken.length > 0) {
    const mend = `apt-get install libseccomp2 libatomic1; or make them for this machine: ${INSTALLATION.buildCommand}`;
    return broken.map((fault) => build.missing("native parts", fault, mend));
  }
  return [build.ok("native parts", "launcher and addons load"), moduleNode(), ...(await examineHost())];
};

const launcherFault = (): string | null => {
  const { status, error, stderr } = spawnSync(INSTALLATION.launcher, { encoding: "utf8", timeout: LOAD_TIMEOUT_MS });
  if (status === LAUNCHER_IDLE) return null;
  return `launcher does not start: ${error?.message ?? stderr.trim()}`;
};

/** In a process of its own: what does not fit this Node may crash it. */
const addonFault = (path: string): string | null => {
  const argv = ["--no-node-snapshot", "--eval", "require(process.argv[1])", path];
  const { status, stderr } = spawnSync(process.execPath, argv, { encoding: "utf8", timeout: LOAD_TIMEOUT_MS });
  if (status === 0) return null;
  return `${basename(path)} does not load: ${/^Error: (.*)$/m.exec(stderr)?.[1] ?? `exit code ${status}`}`;
};

/** The module starts hosts with a Node of its own finding: without one beside it, it has to be told. */
const moduleNode = (): Finding => {
  const about = "Node of the module";
  const node = INSTALLATION.moduleNode;
  if (!existsSync(node)) {
    return build.warning(
      about,
      "none beside it",
      `tell it: loadmodule ${INSTALLATION.module} node ${process.execPath}`,
    );
  }
  const { status, stdout, stderr } = spawnSync(node, ["--version"], { encoding: "utf8", timeout: LOAD_TIMEOUT_MS });
  if (status === 0) return build.ok(about, `${node} ${stdout.trim()}`);
  return build.missing(about, `${node} does not start: ${stderr.trim()}`, "apt-get install libatomic1");
};

const examineHost = async (): Promise<readonly Finding[]> => {
  const said: string[] = [];
  const supervisor = await startSupervisor({
    channel: new MemoryChannel(),
    isolatesMax: 1,
    queueLengthMax: 1,
    onLog: ({ text }) => said.push(text),
  });
  try {
    const late = sleep(HOST_TIMEOUT_MS, undefined, { ref: false }).then(() => {
      throw new Error(`nothing after ${HOST_TIMEOUT_MS} ms; ${said.at(-1) ?? supervisor.state().hosts[0]?.lastEnd}`);
    });
    await Promise.race([supervisor.ready().then(() => supervisor.check(Buffer.from(BUNDLE))), late]);
    const holds = supervisor.state().hosts[0]?.confinement ?? [];
    return [
      build.ok("sandbox host", "starts, and loads a function"),
      ...examineConfinement(holds, process.getuid?.() === 0),
    ];
  } catch (error) {
    return [build.missing("sandbox host", (error as Error).message, `make it anew: ${INSTALLATION.buildCommand}`)];
  } finally {
    await supervisor.close(0);
  }
};

/** `holds`: what the host says of itself. */
export const examineConfinement = (holds: readonly string[], isRoot: boolean): readonly Finding[] => {
  const lacking = (parts: readonly string[]): readonly string[] => parts.filter((part) => !holds.includes(part));
  const list = [build.ok("confinement", holds.join(", "))];
  if (lacking(FILTERS).length > 0) {
    const found = `hosts lack the filters ${lacking(FILTERS).join(", ")}`;
    list.push(build.missing("confinement", found, "use a kernel and a container profile that allow seccomp filters"));
  }
  if (lacking(NAMESPACES).length > 0) {
    const mend = "allow user namespaces (see above), or start it as root; a container's profile may refuse both";
    list.push(build.warning("confinement", `hosts lack namespaces: ${lacking(NAMESPACES).join(", ")}`, mend));
  }
  if (isRoot && lacking(["user"]).length > 0) {
    const mend = `let everybody read ${INSTALLATION.root} and ${process.execPath}, or start locus as another user than root`;
    list.push(build.warning("confinement", "hosts run as root: nobody cannot read their program", mend));
  }
  return list;
};
