import { readFileSync } from "node:fs";
import { validate } from "kubernetes-models/_schemas/IoK8sApiBatchV1Job";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";

interface Container {
  readonly name: string;
  readonly image: string;
  readonly command: readonly string[];
}
interface Job {
  readonly metadata: { readonly name: string };
  readonly spec: {
    readonly activeDeadlineSeconds: number;
    readonly template: {
      readonly spec: {
        readonly restartPolicy: string;
        readonly enableServiceLinks: boolean;
        readonly containers: readonly Container[];
      };
    };
  };
}

const text = readFileSync(new URL("serverless-simulation.yaml", import.meta.url), "utf8");

/**
 * What is wrong with a Job by Kubernetes' own schema. That refuses no field which it does not know, as the API's strict validation does: such a
 * field is one at which validating has not looked.
 */
function mistakesOf(job: unknown): readonly string[] {
  const seen = new Set<string>();
  const isValid = validate(watched(job, "", seen));
  const { errors } = validate as { readonly errors?: readonly { readonly instancePath: string }[] | null };
  const wrong = isValid ? [] : (errors ?? []).map(({ instancePath }) => `${instancePath} is wrong`);
  const unknown = pathsOf(job, "").filter((path) => !seen.has(path));
  return [...wrong, ...unknown.map((path) => `${path} is unknown`)];
}

/** The same value; the path of each field that is read in it is added to `seen`. */
function watched(value: unknown, path: string, seen: Set<string>): unknown {
  if (typeof value !== "object" || value === null) return value;
  return new Proxy(value, {
    get: (target, name) => {
      const field: unknown = Reflect.get(target, name);
      if (typeof name === "symbol" || !Object.hasOwn(target, name)) return field;
      seen.add(`${path}/${name}`);
      return watched(field, `${path}/${name}`, seen);
    },
  });
}

const pathsOf = (value: unknown, path: string): readonly string[] =>
  typeof value === "object" && value !== null
    ? Object.entries(value).flatMap(([name, field]) => [`${path}/${name}`, ...pathsOf(field, `${path}/${name}`)])
    : [];

describe("the contest's job for Kubernetes", () => {
  it("is a Job by Kubernetes' schema, with no field that it does not know", () => {
    expect(mistakesOf(parse(text))).toEqual([]);
  });

  it.each([
    ["backoffLimit: 0", "backoffLimit: none", "/spec/backoffLimit is wrong"],
    ["kind: Job", "kind: Jobs", "/kind is wrong"],
    ["- name: scaler", "- title: scaler", "/spec/template/spec/containers/0 is wrong"],
    ["restartPolicy", "restartPolitely", "/spec/template/spec/restartPolitely is unknown"],
    ["mountPath", "mountPaths", "/spec/template/spec/containers/1/volumeMounts/0/mountPaths is unknown"],
    ["runAsNonRoot", "runAsnonRoot", "/spec/template/spec/securityContext/runAsnonRoot is unknown"],
  ])("would not be one with a mistake in %s", (right, wrong, mistake) => {
    expect(text).toContain(right);
    expect(mistakesOf(parse(text.replace(right, wrong)))).toContain(mistake);
  });

  it("has the contest's name and containers, and runs once, and not for ever", () => {
    const { metadata, spec } = parse(text) as Job;
    expect(metadata.name).toBe("serverless-simulation");
    const { containers, restartPolicy, enableServiceLinks } = spec.template.spec;
    expect(restartPolicy).toBe("Never");
    expect(enableServiceLinks).toBe(false);
    expect(spec.activeDeadlineSeconds).toBeGreaterThan(0);
    expect(containers.map(({ name, image, command }) => [name, image, ...command])).toEqual([
      ["scaler", "locus-scaler", "./run.sh"],
      ["serverless-simulator", "locus-simulator", "./run.sh"],
    ]);
  });
});
