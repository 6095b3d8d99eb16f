// A virtual machine for a program that needs a kernel with other habits than this machine's: Debian's kernel, all files in memory, no disk and no network. It ends with
// its program.

import { copyFileSync, globSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { arch, tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { runCommand, succeeds } from "../command.ts";
import { withPackages } from "./turn.ts";

const EMULATOR = "qemu-system-x86_64";
const FETCH_TIMEOUT_MS = 180_000;
const QUICK_TIMEOUT_MS = 60_000;
const MEMORY_MIB = 1_536;

export interface VirtualMachineOptions {
  /** By the path inside, the file outside; programs come with the libraries that they need. */
  readonly files: Readonly<Record<string, string>>;
  /** Lines of shell for process 1; busybox has the commands. */
  readonly script: string;
  /** The machine is ended then. */
  readonly timeoutMs: number;
}

/** Rejects with why there can be none here. */
export async function installEmulator(): Promise<void> {
  if (arch() !== "x64") throw new Error(`there is no virtual machine for ${arch()} here`);
  if (await succeeds(["which", EMULATOR], { timeoutMs: QUICK_TIMEOUT_MS })) return;
  if (process.getuid?.() !== 0) throw new Error(`there is no ${EMULATOR}, and only root could install it`);
  const options = { environment: { ...process.env, DEBIAN_FRONTEND: "noninteractive" }, timeoutMs: FETCH_TIMEOUT_MS };
  await withPackages(async () => {
    await runCommand(["apt-get", "update", "-q"], options);
    await runCommand(["apt-get", "install", "-q", "-y", "--no-install-recommends", "qemu-system-x86"], options);
  });
}

/** What the machine's console showed. */
export async function runInVirtualMachine({ files, script, timeoutMs }: VirtualMachineOptions): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "locus-machine-"));
  try {
    const { kernel, busybox } = await withPackages(() => fetchSystem(folder));
    const root = join(folder, "root");
    for (const directory of ["bin", "proc", "sys", "dev", "tmp"]) mkdirSync(join(root, directory), { recursive: true });
    for (const [inside, outside] of Object.entries({ ...files, "/bin/busybox": busybox })) {
      await addFile(root, inside, outside);
    }
    for (const command of ["sh", "mount", "poweroff"]) symlinkSync("busybox", join(root, "bin", command));
    writeFileSync(join(root, "init"), `#!/bin/sh\n${script}\npoweroff -f\n`, { mode: 0o755 });
    const disk = join(folder, "initrd");
    const pack = `cd "$0" && "$1" find . | "$1" cpio -o -H newc > "$2"`;
    await runCommand(["sh", "-c", pack, root, busybox, disk], { timeoutMs: QUICK_TIMEOUT_MS });
    // Emulated, not helped by the processor: the same everywhere, and in a machine that is virtual itself, too.
    const machine = ["-accel", "tcg", "-cpu", "max", "-smp", "2", "-m", String(MEMORY_MIB)];
    const nothingElse = ["-nographic", "-no-reboot", "-nic", "none"];
    const boot = ["-kernel", kernel, "-initrd", disk, "-append", "console=ttyS0 panic=-1 quiet"];
    return await runCommand([EMULATOR, ...machine, ...nothingElse, ...boot], { timeoutMs });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** From Debian's packages, which are not installed. */
async function fetchSystem(folder: string): Promise<{ readonly kernel: string; readonly busybox: string }> {
  const options = { directory: folder, timeoutMs: FETCH_TIMEOUT_MS };
  const dependencies = await runCommand(["apt-cache", "depends", "linux-image-cloud-amd64"], options);
  const image = /Depends: (linux-image-\S+)/.exec(dependencies)?.[1];
  if (image === undefined) throw new Error("Debian has no kernel for a virtual machine here");
  await runCommand(["apt-get", "download", "-q", image, "busybox-static"], options);
  for (const archive of globSync("*.deb", { cwd: folder })) {
    await runCommand(["dpkg-deb", "--extract", archive, "system"], options);
  }
  const [kernel] = globSync("system/boot/vmlinuz-*", { cwd: folder });
  if (kernel === undefined) throw new Error(`there is no kernel in ${image}`);
  return { kernel: join(folder, kernel), busybox: join(folder, "system", "bin", "busybox") };
}

async function addFile(root: string, inside: string, outside: string): Promise<void> {
  const copy = (from: string, to: string): void => {
    mkdirSync(dirname(join(root, to)), { recursive: true });
    copyFileSync(from, join(root, to));
  };
  copy(outside, inside);
  // What is no dynamic program has none.
  const listed = await runCommand(["ldd", outside], { timeoutMs: QUICK_TIMEOUT_MS }).catch(() => "");
  for (const [, library = ""] of listed.matchAll(/(\/\S+) \(0x/g)) {
    copy(library, library.includes("ld-linux") ? library : join("/lib/x86_64-linux-gnu", basename(library)));
  }
}
