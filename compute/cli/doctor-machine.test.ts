import { describe, expect, it } from "vitest";
import { examineMachine, type MachineFacts } from "./doctor-machine.ts";
import { INSTALLATION } from "./installation.ts";

const GOOD: MachineFacts = {
  platform: "linux",
  architecture: "x64",
  release: "6.1.0-18-amd64",
  nodeVersion: INSTALLATION.nodeVersion,
  seccompActions: "kill_process trap errno allow",
  userNamespacesObstacle: null,
  temporaryFolder: "/tmp",
  temporaryFolderWritable: true,
};

const faults = (facts: Partial<MachineFacts>): readonly string[] =>
  examineMachine({ ...GOOD, ...facts })
    .filter(({ status }) => status !== "ok")
    .map(({ status, about }) => `${status} ${about}`);

describe("examineMachine", () => {
  it("finds nothing amiss on a Linux of the last years with the pinned Node", () => {
    expect(faults({})).toEqual([]);
    expect(faults({ release: "5.3.0" })).toEqual([]);
  });

  it.each<[Partial<MachineFacts>, string]>([
    [{ platform: "darwin" }, "missing system"],
    [{ architecture: "ia32" }, "missing system"],
    [{ release: "5.2.17" }, "missing kernel"],
    [{ release: "4.19.0-26-amd64" }, "missing kernel"],
    [{ seccompActions: null }, "missing system call filters"],
    [{ userNamespacesObstacle: "sysctl user.max_user_namespaces=10000" }, "warning user namespaces"],
    [{ nodeVersion: "20.11.0" }, "missing Node"],
    [{ nodeVersion: `${INSTALLATION.nodeVersion.split(".", 1)[0]}.0.0` }, "warning Node"],
    [{ temporaryFolderWritable: false }, "missing temporary folder"],
  ])("of %o says: %s", (facts, fault) => {
    expect(faults(facts)).toEqual([fault]);
  });

  it("says of everything that is amiss how to mend it", () => {
    const findings = examineMachine({
      ...GOOD,
      release: "4.4.0",
      seccompActions: null,
      temporaryFolderWritable: false,
    });
    expect(findings.filter(({ status, mend }) => (status === "ok") !== (mend === null))).toEqual([]);
  });
});
