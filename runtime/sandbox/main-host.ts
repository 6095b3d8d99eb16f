// The sandbox host: a process that holds isolates and serves no client. The supervisor (the Redis module's or the node's)
// starts it through the launcher with a memory file and a bell, beside Redis the read cache, which the addon finds by
// itself, and on the compute side a socket for descriptors and a bell per lane; see runtime/native/lane.h and
// docs/rings.md. Isolates live on threads of their own in the addon; JavaScript here reads the definitions of bundles
// that are checked. Arguments: connections, confinement (on, required, off), and from the launcher what of the
// confinement holds.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { rootCertificates } from "node:tls";
import { describeDefinition } from "#runtime/function/describe.ts";
import { versionOf } from "#runtime/function/version.ts";

/** A kind of control frames: `Control` in runtime/native/lane.h. */
const READY = 2;
/** Where the launcher leaves what the supervisor gave: `kFirstDescriptor` in runtime/native/host_process.cc. */
const DESCRIPTORS = { memory: 3, supervisorBell: 4, controlSocket: 5 } as const;

type Described = readonly [failure: string, description: string, input: string, output: string];

interface HostAddon {
  attach(
    options: {
      readonly memory: number;
      readonly supervisorBell: number;
      /** -1 on the storage side. */
      readonly controlSocket: number;
      readonly connections: number;
      readonly prelude: string;
      readonly auxiliary: string;
      readonly checker: string;
      readonly url: string;
      /** PEM of the authorities for TLS where a connection names none. */
      readonly authorities: string;
    },
    onDefinition: (definitionJson: string, bundle: string) => Described,
  ): string;
  /** The last step: from then on no path, no program and no new connection can be reached. "" or what failed. */
  confine(): string;
  send(kind: number, id: number, text: string): void;
  /** Compiles what isolates share. */
  warm(): void;
}

/** This program is built: one file beside the others that it needs. */
const buildDirectory = import.meta.dirname;
const guest = (name: string): string => readFileSync(join(buildDirectory, "guest", `${name}.js`), "utf8").trimEnd();
const addon = createRequire(import.meta.url)(join(buildDirectory, "host.node")) as HostAddon;
const [connectionsText = "0", confinement = "on", confinedText = ""] = process.argv.slice(2);
const connections = Number(connectionsText);

/** Schemas as JSON, empty where there is none. */
function describe(definitionJson: string, bundle: string): Described {
  try {
    const version = versionOf(Buffer.from(bundle));
    const description = describeDefinition(JSON.parse(definitionJson), version, "deploy");
    const [input = "", output = ""] = [description.input, description.output].map((schema) =>
      schema === null ? "" : JSON.stringify(schema),
    );
    return ["", JSON.stringify(description), input, output];
  } catch (error) {
    return [(error as Error).message, "", "", ""];
  }
}

const failed = addon.attach(
  {
    memory: DESCRIPTORS.memory,
    supervisorBell: DESCRIPTORS.supervisorBell,
    controlSocket: connections > 0 ? DESCRIPTORS.controlSocket : -1,
    connections,
    prelude: guest("prelude"),
    auxiliary: guest("auxiliary"),
    checker: guest("checker"),
    url: guest("url"),
    authorities: connections > 0 ? rootCertificates.join("\n") : "",
  },
  describe,
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
addon.send(READY, 0, JSON.stringify({ node: process.version, confinement: confine() }));
// Behind the first calls, not before them: they work without it.
addon.warm();
