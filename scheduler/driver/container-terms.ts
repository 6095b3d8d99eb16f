// Of what image and in which network instances' containers are, where nobody says: those of the container that this process is in, else the
// official image of this Node and the engine's own network. What is missing at the engine is told before an instance needs it.

import { readFile } from "node:fs/promises";
import Docker from "dockerode";
import { LocusError } from "#runtime/errors.ts";
import { isAbsent, within } from "./engine-answer.ts";

interface ContainerTerms {
  readonly image: string;
  readonly network: string;
}

/** As the engine's files of a container are mounted into it, whatever its host name is. */
const OWN_ID = /\/containers\/([0-9a-f]{64})\//;
/** In which a container finds nobody but itself, or who is on its own machine: not to be taken over without being asked for. */
const UNFIT_NETWORKS: readonly string[] = ["none", "host"];
/** A network that is another container's. */
const OF_CONTAINER = /^container:/;

/** `socketPath`: of the engine. null: to be found. Rejects with CONFIG_INVALID, which says what the engine lacks. */
export async function containerTerms(
  socketPath: string,
  given: { readonly image: string | null; readonly network: string | null },
): Promise<ContainerTerms> {
  const docker = new Docker({ socketPath });
  try {
    const own = given.image === null || given.network === null ? await ownContainer(docker) : null;
    const image = given.image ?? own?.image ?? `node:${process.versions.node}-bookworm-slim`;
    const network = given.network ?? (own === null ? "bridge" : onlyNetwork(own.networks));
    await expectThere(docker.getImage(image), `image ${image}`, "pull it, or name another with LOCUS_DOCKER_IMAGE");
    if (!OF_CONTAINER.test(network)) {
      await expectThere(docker.getNetwork(network), `network ${network}`, "LOCUS_DOCKER_NETWORK names another");
    }
    return { image, network };
  } catch (cause) {
    if (cause instanceof LocusError) throw cause;
    const text = `the container engine at ${socketPath} (LOCUS_DOCKER_SOCKET): ${(cause as Error).message}`;
    throw new LocusError("CONFIG_INVALID", text, { cause });
  }
}

interface OwnContainer {
  readonly image: string;
  readonly networks: readonly string[];
}

/** null: this process is in none of the engine's. */
async function ownContainer(docker: Docker): Promise<OwnContainer | null> {
  const [, id] = OWN_ID.exec(await readFile("/proc/self/mountinfo", "utf8")) ?? [];
  if (id === undefined) return null;
  try {
    const { Image, NetworkSettings } = await within(docker.getContainer(id).inspect(), "look at the node's container");
    return { image: Image, networks: Object.keys(NetworkSettings.Networks) };
  } catch (error) {
    // Another engine's.
    if (isAbsent(error)) return null;
    throw error;
  }
}

function onlyNetwork(networks: readonly string[]): string {
  const [network, ...more] = networks;
  if (network !== undefined && more.length === 0 && !UNFIT_NETWORKS.includes(network)) return network;
  const text = `this node's own container has the networks ${networks.join(", ") || "none"}: LOCUS_DOCKER_NETWORK has to say in which of the engine's its instances reach Redis`;
  throw new LocusError("CONFIG_INVALID", text);
}

async function expectThere(named: Docker.Named, what: string, otherwise: string): Promise<void> {
  try {
    await within(named.inspect(), `look for the ${what}`);
  } catch (cause) {
    if (!isAbsent(cause)) throw cause;
    throw new LocusError("CONFIG_INVALID", `the container engine has no ${what}: ${otherwise}`, { cause });
  }
}
