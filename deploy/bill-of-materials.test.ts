import { describe, expect, it } from "vitest";
import { ofImage, onlyShipped, readDebianPackages, type BillOfMaterials } from "./bill-of-materials.ts";

const component = (name: string, version: string) => ({
  "bom-ref": `${name}@${version}`,
  type: "library",
  name,
  version,
  purl: `pkg:npm/${name}@${version}`,
});

const BILL: BillOfMaterials = {
  metadata: { component: component("locus", "1.0.0") },
  components: [component("@a/b", "1.0.0"), component("c", "2.0.0"), component("c", "3.0.0")],
  dependencies: [
    { ref: "locus@1.0.0", dependsOn: ["@a/b@1.0.0", "c@3.0.0"] },
    { ref: "@a/b@1.0.0", dependsOn: ["c@2.0.0"] },
    { ref: "c@2.0.0" },
    { ref: "c@3.0.0" },
  ],
};
const LOCK = {
  packages: {
    "": { version: "1.0.0" },
    "node_modules/@a/b": { version: "1.0.0" },
    "node_modules/@a/b/node_modules/c": { version: "2.0.0" },
    "node_modules/c": { version: "3.0.0", dev: true },
  },
};

describe("onlyShipped", () => {
  it("keeps packages by name and version, and the arrows between those that are left", () => {
    const bill = onlyShipped(BILL, LOCK, (_folder, { dev }) => dev !== true);
    expect(bill.components.map((kept) => kept["bom-ref"])).toEqual(["@a/b@1.0.0", "c@2.0.0"]);
    expect(bill.dependencies).toEqual([
      { ref: "locus@1.0.0", dependsOn: ["@a/b@1.0.0"] },
      { ref: "@a/b@1.0.0", dependsOn: ["c@2.0.0"] },
      { ref: "c@2.0.0", dependsOn: [] },
    ]);
  });

  it("asks by the folder where a package lies", () => {
    const folders: string[] = [];
    onlyShipped(BILL, LOCK, (folder) => folders.push(folder) > 0);
    expect(folders).toEqual(["node_modules/@a/b", "node_modules/@a/b/node_modules/c", "node_modules/c"]);
  });
});

it("names Node and Debian's packages by their package URLs", () => {
  const bill = ofImage(BILL, readDebianPackages("libstdc++6 12.2.0-14 amd64\ntzdata 2024a-0+deb12u1 all\n"), "26.0.0");
  expect(bill.metadata.component.type).toBe("container");
  expect(bill.components.slice(BILL.components.length).map(({ purl }) => purl)).toEqual([
    "pkg:generic/node@26.0.0",
    "pkg:deb/debian/libstdc%2B%2B6@12.2.0-14?arch=amd64",
    "pkg:deb/debian/tzdata@2024a-0%2Bdeb12u1?arch=all",
  ]);
});
