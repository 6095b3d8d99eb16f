// The sandbox host: a process that holds isolates and serves no client. The supervisor (the Redis module's or the node's)
// starts it through the launcher with a memory file and a bell, beside Redis the read cache, which the addon finds by itself, and on
// the compute side a socket for descriptors and a bell per lane; see runtime/native/lane.h and docs/rings.md. Arguments: connections, confinement (on, required, off), and
// from the launcher what of the confinement holds.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { rootCertificates } from "node:tls";
import { LocusError } from "#runtime/errors.ts";
import { Isolate, isolateLoader } from "./isolate.ts";

/** Kinds of control frames: `Control` in runtime/native/lane.h. */
const CONTROL = { ready: 2, opened: 3, openFailed: 4, closed: 5 } as const;
/** After an isolate has gone. */
const TRIM_AFTER_MS = 1_000;
/** Where the launcher leaves what the supervisor gave: `kFirstDescriptor` in runtime/native/host_process.cc. */
const DESCRIPTORS = { memory: 3, supervisorBell: 4, controlSocket: 5 } as const;

interface HostAddon {
  attach(
    options: {
      readonly memory: number;
      readonly supervisorBell: number;
      /** -1 on the storage side. */
      readonly controlSocket: number;
      readonly connections: number;
      readonly auxiliary: string;
      readonly url: string;
      /** PEM of the authorities for TLS where a connection names none. */
      readonly authorities: string;
    },
    onOpen: (id: number, lane: number, optionsJson: string, bundle: string) => void,
  ): string;
  /** The last step: from then on no path, no program and no new connection can be reached. "" or what failed. */
  confine(): string;
  send(kind: number, id: number, text: string): void;
  /** What isolates had that are gone goes back to the kernel. */
  trim(): void;
}

/** This program is built: one file beside the others that it needs. */
const buildDirectory = import.meta.dirname;
const guest = (name: string): string => readFileSync(join(buildDirectory, "guest", `${name}.js`), "utf8");
const addon = createRequire(import.meta.url)(join(buildDirectory, "host.node")) as HostAddon;
const loader = isolateLoader(buildDirectory);
const [connectionsText = "0", confinement = "on", confinedText = ""] = process.argv.slice(2);
const connections = Number(connectionsText);

async function open(id: number, lane: number, optionsJson: string, bundle: string): Promise<void> {
  const { memoryMb } = JSON.parse(optionsJson) as { readonly memoryMb?: number };
  const isCheck = lane === 0;
  let isolate: Isolate;
  try {
    isolate = await Isolate.load(loader, bundle, isCheck ? "deploy" : "serve", memoryMb);
  } catch (error) {
    addon.send(CONTROL.openFailed, id, error instanceof LocusError ? error.message : String(error));
    trimSoon();
    return;
  }
  addon.send(CONTROL.opened, id, JSON.stringify(isolate.description));
  if (isCheck) {
    await isolate.discard();
    trimSoon();
    return;
  }
  const why = await isolate.serve(lane);
  addon.send(CONTROL.closed, lane, why);
  trimSoon();
}

/** Once for all that have gone lately: it takes a ms for a hundred MiB, and those that go next go soon. */
let isTrimDue = false;
function trimSoon(): void {
  if (isTrimDue) return;
  isTrimDue = true;
  setTimeout(() => {
    isTrimDue = false;
    addon.trim();
  }, TRIM_AFTER_MS);
}

const failed = addon.attach(
  {
    memory: DESCRIPTORS.memory,
    supervisorBell: DESCRIPTORS.supervisorBell,
    controlSocket: connections > 0 ? DESCRIPTORS.controlSocket : -1,
    connections,
    auxiliary: guest("auxiliary"),
    url: guest("url"),
    authorities: connections > 0 ? rootCertificates.join("\n") : "",
  },
  (id, lane, optionsJson, bundle) => void open(id, lane, optionsJson, bundle),
);

/** What of the confinement holds, by the names of docs/security.md. */
function confine(): readonly string[] {
  const holds = confinedText.replace(/^confined=/, "").split(",");
  if (confinement === "off") return holds;
  // Without the first filter libuv has an io_uring by now: the second would take it away, and libuv abort.
  const refused = holds.includes("calls") ? addon.confine() : "seccomp: the first filter is missing";
  if (refused === "") holds.push("threads");
  const missing = ["calls", "threads"].filter((part) => !holds.includes(part));
  if (missing.length > 0) {
    process.stderr.write(`sandbox host: not confined by ${missing.join(" and ")} ${refused}\n`);
    if (confinement === "required") process.exit(1);
  }
  return holds;
}

if (failed !== "") {
  process.stderr.write(`sandbox host: ${failed}\n`);
  process.exit(1);
}
const about = JSON.stringify({ node: process.version, confinement: confine() });
addon.send(CONTROL.ready, 0, about);
// Behind the first calls, not before them: they work without it.
await Isolate.warm(loader);
