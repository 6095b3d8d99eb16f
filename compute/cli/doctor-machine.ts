// `locus doctor`, the machine: what the kernel allows and which Node runs. Facts are read once; what they mean is decided
// from them alone.

import { accessSync, constants, readFileSync } from "node:fs";
import { arch, platform, release, tmpdir } from "node:os";

import { findings, type Finding } from "./doctor-finding.ts";
import { INSTALLATION } from "./installation.ts";

export interface MachineFacts {
  readonly platform: string;
  readonly architecture: string;
  /** Of the kernel: "6.1.0-18-amd64". */
  readonly release: string;
  readonly nodeVersion: string;
  /** Actions of seccomp filters that the kernel knows; null where it has no filters. */
  readonly seccompActions: string | null;
  /** Why processes may not make user namespaces; null where nothing is known to forbid it. */
  readonly userNamespacesObstacle: string | null;
  readonly temporaryFolder: string;
  readonly temporaryFolderWritable: boolean;
}

/** pidfd_open, by which hosts are watched (runtime/native/host_process.cc), came with 5.3; all else is older. */
const KERNEL_MIN = [5, 3] as const;
const ARCHITECTURES = ["x64", "arm64"];
const SYSCTL_USER_NAMESPACES = [
  { file: "user/max_user_namespaces", forbids: "0", mend: "sysctl user.max_user_namespaces=10000" },
  { file: "kernel/unprivileged_userns_clone", forbids: "0", mend: "sysctl kernel.unprivileged_userns_clone=1" },
  {
    file: "kernel/apparmor_restrict_unprivileged_userns",
    forbids: "1",
    mend: "sysctl kernel.apparmor_restrict_unprivileged_userns=0",
  },
];

const machine = findings("machine");

export const readMachineFacts = (): MachineFacts => ({
  platform: platform(),
  architecture: arch(),
  release: release(),
  nodeVersion: process.versions.node,
  seccompActions: readSysctl("kernel/seccomp/actions_avail"),
  userNamespacesObstacle:
    SYSCTL_USER_NAMESPACES.find(({ file, forbids }) => readSysctl(file) === forbids)?.mend ?? null,
  temporaryFolder: tmpdir(),
  temporaryFolderWritable: isWritable(tmpdir()),
});

export const examineMachine = (facts: MachineFacts): readonly Finding[] => {
  if (facts.platform !== "linux") {
    return [
      machine.missing("system", facts.platform, "locus runs on Linux only: use its containers (docs/containers.md)"),
    ];
  }
  return [system(facts), kernel(facts), seccomp(facts), userNamespaces(facts), node(facts), temporaryFolder(facts)];
};

const system = ({ architecture }: MachineFacts): Finding =>
  ARCHITECTURES.includes(architecture)
    ? machine.ok("system", `Linux on ${architecture}`)
    : machine.missing("system", `Linux on ${architecture}`, `use a machine with one of ${ARCHITECTURES.join(", ")}`);

const kernel = ({ release: text }: MachineFacts): Finding => {
  const [major = 0, minor = 0] = text.split(".").map(Number.parseFloat);
  const [majorMin, minorMin] = KERNEL_MIN;
  return major > majorMin || (major === majorMin && minor >= minorMin)
    ? machine.ok("kernel", `${text}: sealed memory files, futexes, process descriptors`)
    : machine.missing("kernel", text, `use Linux ${KERNEL_MIN.join(".")} or newer`);
};

const seccomp = ({ seccompActions }: MachineFacts): Finding =>
  seccompActions?.split(" ").includes("errno")
    ? machine.ok("system call filters", "seccomp")
    : machine.missing("system call filters", "none", "use a kernel with CONFIG_SECCOMP_FILTER");

const userNamespaces = ({ userNamespacesObstacle: mend }: MachineFacts): Finding =>
  mend === null
    ? machine.ok("user namespaces", "nothing in the kernel's settings forbids them")
    : machine.warning("user namespaces", "forbidden: sandbox hosts are confined by filters alone", `as root: ${mend}`);

const node = ({ nodeVersion }: MachineFacts): Finding => {
  const pinned = INSTALLATION.nodeVersion;
  const mend = `run it with Node ${pinned}, which locus brings: npx locus`;
  if (nodeVersion === pinned) return machine.ok("Node", nodeVersion);
  // Native parts fit one major version; locus is tested with one release of it.
  return nodeVersion.split(".")[0] === pinned.split(".")[0]
    ? machine.warning("Node", `${nodeVersion}, and locus is tested with ${pinned}`, mend)
    : machine.missing("Node", nodeVersion, mend);
};

const temporaryFolder = ({ temporaryFolder: folder, temporaryFolderWritable }: MachineFacts): Finding =>
  temporaryFolderWritable
    ? machine.ok("temporary folder", `${folder} can be written to`)
    : machine.missing("temporary folder", `${folder} cannot be written to`, "set TMPDIR to a folder that can");

const readSysctl = (file: string): string | null => {
  try {
    return readFileSync(`/proc/sys/${file}`, "utf8").trim();
  } catch {
    return null;
  }
};

const isWritable = (folder: string): boolean => {
  try {
    accessSync(folder, constants.W_OK);
    return true;
  } catch {
    return false;
  }
};
