// docs/errors.md, written from the table of errors: a test holds the file equal to this text (`vitest -u` rewrites it).

import { ERRORS, type Blame } from "./errors.ts";

const INTRODUCTION = `# Errors

Every failure that a user of locus can meet has one code of this table. It is written from \`runtime/errors.ts\`; codes are
stable: none is renamed or given another meaning. *retry* says whether the same call may succeed later without any change. *what to
do* helps all failures of that code; one of which more is known says that instead.

What a boundary shows of an error:

- **HTTP**: a problem document (RFC 9457) with \`code\`, \`detail\` (the message), \`retry\`, \`remedy\` and, where a function threw an \`Error\`,
  \`stack\`; the status is in the column *HTTP*. [http.md](http.md) has an example. In a batch it is the line's
  \`error\`, which has \`code\`, \`message\`, \`retry\` and, where there is one, \`stack\`. Both texts of a thrown error show
  what stands behind it ([functions.md](functions.md#errors)).
- **Redis**: an error reply whose first word is in the column *Redis*. \`LOCUS.NODE RUN\` of a call that reached a sandbox
  answers with the code itself, as JSON.
- **A function**: the promise of an operation that was refused, or could not be sent, rejects with an \`Error\` whose \`code\`
  is the code. What Redis itself answers rejects with Redis' own text and has no code.
- **The command line**: the message on stderr and an exit code; [cli.md](cli.md) lists them.
- **gRPC**: the status is in the column *gRPC*, the number of \`google.rpc.Code\`; the message is its details, and the code stands in the
  trailing metadata as \`locus-code\`. Some replies have a status of their own: [grpc.md](grpc.md).
`;

/** Who must act, as a heading and a sentence. */
const SECTIONS: Readonly<Record<Blame, { readonly title: string; readonly text: string }>> = {
  caller: { title: "The caller", text: "It is up to whoever called." },
  author: {
    title: "The function's author",
    text: "The call was fine; the function, or what it asks of its limits, is not.",
  },
  operator: { title: "The operator", text: "Something about the machines, Redis or the settings stands in the way." },
  locus: { title: "locus itself", text: "Neither the call nor the function is to blame." },
};

export function errorsDocument(): string {
  const sections = Object.entries(SECTIONS).map(
    ([blame, { title, text }]) => `## ${title}\n\n${text}\n\n${table(blame as Blame).join("\n")}\n`,
  );
  return [INTRODUCTION, ...sections].join("\n");
}

/** Markdown. */
const table = (blame: Blame): string[] => [
  row(["code", "meaning", "what to do", "retry", "HTTP", "gRPC", "Redis"]),
  `|${"---|".repeat(7)}`,
  ...Object.entries(ERRORS)
    .filter(([, entry]) => entry.blame === blame)
    .map(([code, { meaning, remedy, retry, http, grpc, redis }]) =>
      row([`\`${code}\``, meaning, remedy, retry ? "yes" : "no", `${http}`, `${grpc}`, `\`${redis}\``]),
    ),
];
const row = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
