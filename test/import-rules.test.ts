// Who may import whom, as `.oxlintrc.json` has it: the linter refuses every way across in a made-up tree under the repository's own rules,
// written with `#` or as a relative path, and nothing that is allowed.

import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const ROOT = join(import.meta.dirname, "..");
const CONFIG = ".oxlintrc.json";
const LINTER = join(ROOT, "node_modules", "oxlint", "bin", "oxlint");

/** From a file that is two folders deep. */
const into = (...folders: readonly string[]): readonly string[] =>
  folders.flatMap((folder) => [`#${folder}/x.ts`, `../../${folder}/deep/x.ts`, `../x/../../${folder}/x.ts`]);

const BUNDLER = ["esbuild only in runtime/function.", ["esbuild", "esbuild/lib/main.js"]] as const;
const ENGINE = ["dockerode only in scheduler/driver.", ["dockerode", "dockerode/lib/docker"]] as const;
const SERVERS = [
  "fastify only in compute/gateway, grpc only in scheduler/grpc.",
  ["fastify", "@grpc/grpc-js", "@grpc/proto-loader", "grpc-health-check"],
] as const;
const HTTP = ["fastify only in compute/gateway.", ["fastify"]] as const;
const GRPC = ["grpc only in scheduler/grpc.", ["@grpc/grpc-js", "grpc-health-check"]] as const;
const NOT_FROM_RUNTIME = [
  "runtime imports nothing of ours.",
  into("compute", "scheduler", "functions", "bench", "test"),
] as const;
const NOT_FROM_SCHEDULER = ["scheduler imports runtime only.", into("compute", "functions", "bench", "test")] as const;
const NOT_FROM_COMPUTE = [
  "compute imports runtime and scheduler (functions by path, never by import).",
  into("functions", "bench", "test"),
] as const;

/** By files that a rule is for and the folder that stands for them: what is said of each, and the imports of which it is. */
const REFUSED: readonly (readonly [
  files: string,
  folder: string,
  ...(readonly (readonly [message: string, specifiers: readonly string[]])[]),
])[] = [
  [
    "functions/**",
    "functions/graph",
    [
      "A function imports nothing but locus/function (and schemas of typebox).",
      ["node:fs", "ioredis", ...into("runtime", "compute", "scheduler", "bench", "test")],
    ],
  ],
  ["runtime/**", "runtime/channel", NOT_FROM_RUNTIME, SERVERS, BUNDLER, ENGINE],
  ["runtime/function/**", "runtime/function", NOT_FROM_RUNTIME, SERVERS, ENGINE],
  [
    "runtime/sandbox/**",
    "runtime/sandbox",
    NOT_FROM_RUNTIME,
    SERVERS,
    BUNDLER,
    ["sandbox knows no placement.", ["#runtime/placement/plan.ts", "../placement/plan.ts"]],
    ENGINE,
  ],
  ...["runtime/profile", "runtime/placement"].map(
    (folder) =>
      [
        "runtime/profile/** runtime/placement/**",
        folder,
        NOT_FROM_RUNTIME,
        [
          "profile and placement know no isolate and no socket.",
          ["sandbox", "channel", "function"].flatMap((part) => [`#runtime/${part}/x.ts`, `../${part}/x.ts`]),
        ],
        [
          "profile and placement are pure: no isolate, no socket, no clock of their own.",
          ["node:perf_hooks", "ioredis", "esbuild", "fastify", "@grpc/grpc-js", "dockerode"],
        ],
      ] as const,
  ),
  ["scheduler/**", "scheduler/policy", NOT_FROM_SCHEDULER, SERVERS, ENGINE, BUNDLER],
  ["scheduler/grpc/**", "scheduler/grpc", NOT_FROM_SCHEDULER, ENGINE, HTTP, BUNDLER],
  ["scheduler/driver/**", "scheduler/driver", NOT_FROM_SCHEDULER, SERVERS, BUNDLER],
  ["compute/**", "compute/node", NOT_FROM_COMPUTE, BUNDLER, SERVERS, ENGINE],
  ["compute/gateway/**", "compute/gateway", NOT_FROM_COMPUTE, BUNDLER, GRPC, ENGINE],
  [
    "deploy/**",
    "deploy/scaler",
    ["deploy imports nothing of ours.", into("runtime", "compute", "scheduler", "functions", "bench", "test")],
  ],
];

const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  functions: ["locus/function", "typebox", "./graph/node.ts"],
  "runtime/channel": ["node:net", "#runtime/errors.ts", "../errors.ts", "../function/description.ts"],
  "runtime/function": ["esbuild"],
  "runtime/sandbox": ["../channel/channel.ts"],
  "runtime/placement": ["../profile/sample.ts", "#runtime/profile/sample.ts"],
  "scheduler/policy": ["#runtime/errors.ts", "../../runtime/errors.ts", "../node/node.ts"],
  "scheduler/grpc": ["@grpc/grpc-js", "@grpc/proto-loader", "grpc-health-check"],
  "scheduler/driver": ["dockerode"],
  "compute/node": ["#runtime/sandbox/supervisor.ts", "#scheduler/scheduler.ts", "../gateway/server.ts"],
  "compute/gateway": ["fastify", "../node/invoker.ts"],
  deploy: ["node:fs", "./together.ts"],
  bench: ["#compute/node/node.ts", "../functions/khop.ts", "../test/redis-server.ts"],
  "test/sandbox": ["#compute/node/node.ts", "fastify"],
};

interface Import {
  readonly file: string;
  readonly specifier: string;
}

const refused = REFUSED.flatMap(([files, folder, ...said], at) =>
  said
    .flatMap(([message, specifiers]) => specifiers.map((specifier) => ({ files, folder, specifier, message })))
    .map((one, index) => ({ ...one, file: `${folder}/refused-${at}-${index}.ts` })),
);
const allowed = Object.entries(ALLOWED).flatMap(([folder, specifiers]) =>
  specifiers.map((specifier, index): Import => ({ file: `${folder}/allowed-${index}.ts`, specifier })),
);

let folder: string;
/** By file, what the linter has to say of each import there. */
let told: ReadonlyMap<string, readonly string[]>;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "locus-imports-"));
  copyFileSync(join(ROOT, CONFIG), join(folder, CONFIG));
  for (const { file, specifier } of [...refused, ...allowed]) {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    writeFileSync(join(folder, file), `import { x } from "${specifier}";\nexport { y } from "${specifier}";\nx();\n`);
  }
  told = lint();
});
afterAll(() => rmSync(folder, { recursive: true }));

interface Diagnostic {
  readonly code: string;
  readonly filename: string;
}

function lint(): ReadonlyMap<string, readonly string[]> {
  const { stdout, stderr } = spawnSync(process.execPath, [LINTER, "--format", "json"], {
    cwd: folder,
    encoding: "utf8",
    maxBuffer: 64 * 1024 * 1024,
  });
  expect(stderr).toBe("");
  const { diagnostics } = JSON.parse(stdout) as { readonly diagnostics: readonly Diagnostic[] };
  const ofImports = diagnostics.filter(({ code }) => code.includes("no-restricted-imports"));
  const byFile = Map.groupBy(ofImports, ({ filename }) => filename);
  return new Map([...byFile].map(([file, all]) => [file, all.map((one) => JSON.stringify(one))]));
}

describe("the linter", () => {
  it.each(refused)("refuses $specifier in $folder: $message", ({ file, message }) => {
    const said = (told.get(file) ?? []).filter((text) => text.includes(message));
    // Of the import, and of the export.
    expect(said).toHaveLength(2);
  });

  it.each(allowed)("allows $specifier in $file", ({ file }) => {
    expect(told.get(file)).toBeUndefined();
  });

  it("has no rule about imports that is not tried here", () => {
    const { overrides } = JSON.parse(readFileSync(join(ROOT, CONFIG), "utf8")) as {
      readonly overrides: readonly {
        readonly files: readonly string[];
        readonly rules: {
          readonly "no-restricted-imports"?: ["error", { readonly patterns: readonly { readonly message: string }[] }];
        };
      }[];
    };
    const rules = overrides.flatMap(({ files, rules: { "no-restricted-imports": rule } }) =>
      (rule?.[1].patterns ?? []).map(({ message }) => `${files.join(" ")}: ${message}`),
    );
    const tried = new Set(refused.map(({ files, message }) => `${files}: ${message}`));
    expect([...tried].toSorted()).toEqual(rules.toSorted());
  });
});
