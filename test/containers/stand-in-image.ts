// A stand-in for the official image that the Dockerfile is based on, for an engine that can pull none: Debian as debootstrap
// lays it out, with the pinned Node and an npm where the official image has them. Kept in the system's temporary folder, so that
// the next run on the same machine is quicker.

import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runCommand } from "../command.ts";

const REPOSITORY = join(import.meta.dirname, "..", "..");
const TIMEOUT_MS = 180_000;
const DEBIAN_SOURCES = ["/etc/apt/sources.list.d/debian.sources", "/etc/apt/sources.list"];
const DEBIAN_MIRROR = "http://deb.debian.org/debian";
/** Authorities that this machine trusts: behind a proxy with one of its own, npm inside a build has to trust it too. */
const AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt";
const AUTHORITIES_INSIDE = "/usr/local/share/machine-authorities.crt";
/** As in the official image: what apt has downloaded and installed is not kept. */
const APT_CLEAN = `Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb"; };
`;

/** Gives the engine an image under the name that the Dockerfile's FROM lines use. */
export async function importStandIn(environment: NodeJS.ProcessEnv): Promise<void> {
  const name = baseImageName();
  const archive = join(tmpdir(), `locus-stand-in-${name.replaceAll(/[^\w.]/g, "-")}.tar`);
  if (!existsSync(archive)) await makeArchive(archive);
  const changes = ["--change", 'CMD ["node"]', "--change", `ENV NODE_EXTRA_CA_CERTS=${AUTHORITIES_INSIDE}`];
  await runCommand(["docker", "import", ...changes, archive, name], { environment, timeoutMs: TIMEOUT_MS });
}

/** What the Dockerfile is based on, each of its stages on the same. */
export function baseImageName(): string {
  const name = /^FROM (\S+)/m.exec(readFileSync(join(REPOSITORY, "Dockerfile"), "utf8"))?.[1];
  if (name === undefined) throw new Error("the Dockerfile has no FROM line");
  return name;
}

async function makeArchive(archive: string): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "locus-stand-in-"));
  const root = join(folder, "root");
  try {
    const options = ["--variant=minbase", "--include=libatomic1"];
    await runCommand(["debootstrap", ...options, "bookworm", root, debianMirror()], { timeoutMs: TIMEOUT_MS });
    await addNode(root, folder);
    tidyApt(root);
    await runCommand(["tar", "-cf", `${archive}.part`, "-C", root, "."], { timeoutMs: TIMEOUT_MS });
    renameSync(`${archive}.part`, archive);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The mirror that this machine itself uses, if it is a Debian. */
function debianMirror(): string {
  const sources = DEBIAN_SOURCES.filter((file) => existsSync(file)).map((file) => readFileSync(file, "utf8"));
  return /^(?:URIs:|deb) *(http\S+debian)\b/m.exec(sources.join("\n"))?.[1] ?? DEBIAN_MIRROR;
}

async function addNode(root: string, folder: string): Promise<void> {
  const local = join(root, "usr", "local");
  copyFileSync(process.execPath, join(local, "bin", "node"));
  const install = ["npm", "install", "--ignore-scripts", "--no-save", "--no-audit", "--no-fund", "npm@11"];
  writeFileSync(join(folder, "package.json"), "{}");
  await runCommand(install, { directory: folder, timeoutMs: TIMEOUT_MS });
  mkdirSync(join(local, "lib", "node_modules"), { recursive: true });
  cpSync(join(folder, "node_modules", "npm"), join(local, "lib", "node_modules", "npm"), { recursive: true });
  symlinkSync("../lib/node_modules/npm/bin/npm-cli.js", join(local, "bin", "npm"));
  if (existsSync(AUTHORITIES)) copyFileSync(AUTHORITIES, join(root, AUTHORITIES_INSIDE));
}

function tidyApt(root: string): void {
  writeFileSync(join(root, "etc", "apt", "apt.conf.d", "docker-clean"), APT_CLEAN);
  for (const cache of ["var/cache/apt", "var/lib/apt/lists"]) {
    rmSync(join(root, cache), { recursive: true, force: true });
    mkdirSync(join(root, cache), { recursive: true });
  }
}
