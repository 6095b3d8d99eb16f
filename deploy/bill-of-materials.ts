// A software bill of materials in CycloneDX, as `npm sbom` writes it from the lock file, reduced to what is shipped and
// joined by what else is. npm's own `--omit=dev` leaves out what is needed for both running and developing.

interface Component {
  readonly "bom-ref": string;
  readonly type: string;
  readonly name: string;
  readonly version: string;
  readonly purl: string;
}

export interface BillOfMaterials {
  readonly metadata: { readonly component: Component };
  readonly components: readonly Component[];
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn?: readonly string[] }[];
}

/** package-lock.json: packages by their folders, the project itself by "". */
export interface PackageLock {
  readonly packages: Readonly<Record<string, { readonly version: string; readonly dev?: boolean }>>;
}

export interface DebianPackage {
  readonly name: string;
  readonly version: string;
  readonly architecture: string;
}

/** Keeps the packages of the folders (as the lock file names them) for which `isShipped` holds. */
export const onlyShipped = (
  bill: BillOfMaterials,
  { packages }: PackageLock,
  isShipped: (folder: string, entry: PackageLock["packages"][string]) => boolean,
): BillOfMaterials => {
  const shipped = Object.entries(packages).filter(([folder, entry]) => folder !== "" && isShipped(folder, entry));
  const names = new Set(shipped.map(([folder, { version }]) => `${folder.split("node_modules/").at(-1)}@${version}`));
  const components = bill.components.filter(({ name, version }) => names.has(`${name}@${version}`));
  const refs = new Set([bill.metadata.component, ...components].map((component) => component["bom-ref"]));
  const dependencies = bill.dependencies
    .filter(({ ref }) => refs.has(ref))
    .map(({ ref, dependsOn = [] }) => ({ ref, dependsOn: dependsOn.filter((other) => refs.has(other)) }));
  return { ...bill, components, dependencies };
};

/** Of an image: what Debian brings, and Node, stand beside what npm brings. */
export const ofImage = (
  bill: BillOfMaterials,
  packages: readonly DebianPackage[],
  nodeVersion: string,
): BillOfMaterials => ({
  ...bill,
  metadata: { ...bill.metadata, component: { ...bill.metadata.component, type: "container" } },
  components: [...bill.components, nodeOf(nodeVersion), ...packages.map(componentOf)],
});

/** Lines of `dpkg-query --show --showformat='${Package} ${Version} ${Architecture}\n'`. */
export const readDebianPackages = (text: string): readonly DebianPackage[] =>
  text
    .trim()
    .split("\n")
    .map((line) => {
      const [name = "", version = "", architecture = ""] = line.split(" ");
      return { name, version, architecture };
    });

const nodeOf = (version: string): Component => {
  const purl = `pkg:generic/node@${version}`;
  return { "bom-ref": purl, type: "platform", name: "node", version, purl };
};

/** Names and versions as https://github.com/package-url/purl-spec has them for `deb`. */
const componentOf = ({ name, version, architecture }: DebianPackage): Component => {
  const purl = `pkg:deb/debian/${encodeURIComponent(name)}@${encodeURIComponent(version)}?arch=${architecture}`;
  return { "bom-ref": purl, type: "library", name, version, purl };
};
