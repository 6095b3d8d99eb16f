// The closed table of errors: every operational failure that a user of locus can meet has one code here, and each
// boundary (HTTP, gRPC, Redis, CLI) looks up there what the code means for it. `docs/errors.md` mirrors this table
// (a test holds them equal), and the build writes it out for C++ (`build/generated/error_codes.inc`).

/** Who must act: the caller of a function, its author, the operator of the machines, or locus itself. */
export type Blame = "caller" | "author" | "operator" | "locus";

interface ErrorEntry {
  readonly blame: Blame;
  /** Whether the same call may succeed later without any change. */
  readonly retry: boolean;
  /** HTTP status code. */
  readonly http: number;
  /** gRPC status code (number of google.rpc.Code). */
  readonly grpc: number;
  /** First word of a Redis error reply. */
  readonly redis: string;
  readonly meaning: string;
  readonly remedy: string;
}

const entry = (
  blame: Blame,
  retry: boolean,
  http: number,
  grpc: number,
  redis: string,
  meaning: string,
  remedy: string,
): ErrorEntry => ({ blame, retry, http, grpc, redis, meaning, remedy });

/** All errors, by code. Codes are stable: one is never renamed or given another meaning. */
export const ERRORS = {
  REQUEST_INVALID: entry(
    "caller",
    false,
    400,
    3,
    "ERR",
    "The request itself is malformed (a bad header, query, path or body), or names a file that is not there.",
    "Correct what the message names.",
  ),
  ARGS_INVALID: entry(
    "caller",
    false,
    400,
    3,
    "ARGSINVALID",
    "`args` is no JSON, or not what the function's input schema asks for.",
    "Send args that fit the schema; the message names the first place that does not.",
  ),
  ARGS_TOO_LARGE: entry(
    "caller",
    false,
    413,
    3,
    "ARGSTOOLARGE",
    "`args` and `keys` together are larger than an invocation may carry.",
    "Send less, or put the data in Redis and send its key.",
  ),
  SIDE_UNKNOWN: entry(
    "caller",
    false,
    400,
    3,
    "SIDEUNKNOWN",
    "The side asked for is neither `compute` nor `storage`.",
    "Ask for `compute` or `storage`, or leave the choice to locus.",
  ),
  SIDE_UNAVAILABLE: entry(
    "operator",
    true,
    503,
    9,
    "SIDEUNAVAILABLE",
    "The side that was asked for runs nothing now: it is switched off, stopping, or its sandbox host cannot start.",
    "The message says what to switch on or mend; until then ask for the other side, or for none.",
  ),
  FUNCTION_NOT_FOUND: entry(
    "caller",
    false,
    404,
    5,
    "NOFUNCTION",
    "No function of that name is deployed.",
    "Deploy it first, or correct the name; `locus list` shows what is there.",
  ),
  VERSION_NOT_FOUND: entry(
    "caller",
    false,
    404,
    5,
    "NOVERSION",
    "The function is deployed, but not in that version.",
    "Call the current version, or deploy that one again.",
  ),
  FUNCTION_EXISTS: entry(
    "caller",
    false,
    409,
    6,
    "FUNCTIONEXISTS",
    "A function of that name is deployed and replacing it was not asked for.",
    "Load it with REPLACE, or under another name.",
  ),
  FUNCTION_INVALID: entry(
    "author",
    false,
    422,
    3,
    "FUNCTIONINVALID",
    "The function was refused: its source cannot be bundled, or the bundle does not parse, throws or spins while loading, needs a global that is not there, exports no function definition, or one whose schemas cannot be used.",
    "Correct what the message names, in the file and line that it gives, and deploy again.",
  ),
  BUNDLE_TOO_LARGE: entry(
    "author",
    false,
    413,
    3,
    "BUNDLETOOLARGE",
    "The bundle has more than 1 MiB of code, or more than 3 MiB with its source map.",
    "Bundle less: mark data as a Redis key, or leave a dependency out.",
  ),
  FUNCTION_FAILED: entry(
    "author",
    false,
    500,
    2,
    "FUNCTIONFAILED",
    "The function threw, or its promise was rejected.",
    "Correct what the message names; a stack, where there is one, has the author's file and line.",
  ),
  RESULT_INVALID: entry(
    "author",
    false,
    500,
    2,
    "RESULTINVALID",
    "What the function returned is no JSON (cyclic, a BigInt, a Map, too deep), or not what its output schema says.",
    "Return plain JSON data that fits the schema.",
  ),
  RESULT_TOO_LARGE: entry(
    "author",
    false,
    500,
    11,
    "RESULTTOOLARGE",
    "The function's result is larger than an invocation may return.",
    "Return less, or write it to Redis and return its key.",
  ),
  DEADLINE_EXCEEDED: entry(
    "author",
    true,
    504,
    4,
    "DEADLINE",
    "The invocation did not end before its deadline.",
    "Do less per call, or raise the function's `limits.deadlineMs` or the call's deadline.",
  ),
  CANCELLED: entry(
    "caller",
    true,
    499,
    1,
    "CANCELLED",
    "The invocation was cancelled by its caller, or its caller went away.",
    "Call again if the result is still wanted.",
  ),
  CPU_LIMIT: entry(
    "author",
    false,
    500,
    8,
    "CPULIMIT",
    "The invocation used more CPU time than its function may.",
    "Compute less per call, or raise the function's `limits.cpuMs`.",
  ),
  MEMORY_LIMIT: entry(
    "author",
    false,
    500,
    8,
    "MEMORYLIMIT",
    "The invocation needed more memory than its function may have.",
    "Hold less at once, or raise the function's `limits.memoryMb`.",
  ),
  OPERATIONS_LIMIT: entry(
    "author",
    false,
    500,
    8,
    "OPERATIONSLIMIT",
    "The invocation sent more operations, or more bytes of them, than it may.",
    "Send fewer operations, or raise the function's `limits.operations`.",
  ),
  COMMAND_REFUSED: entry(
    "author",
    false,
    403,
    7,
    "COMMANDREFUSED",
    "The function issued a Redis command, or named a key, that functions may not use.",
    "Where the message names a key, a pattern or a channel, use one that does not begin with `locus:`; else another command: docs/commands.md lists those that functions may call.",
  ),
  PERMISSION_DENIED: entry(
    "caller",
    false,
    403,
    7,
    "NOPERM",
    "The Redis user of the call has no right to do this.",
    "Ask the operator for the right, or call as another user.",
  ),
  SANDBOX_DIED: entry(
    "locus",
    true,
    502,
    14,
    "SANDBOXDIED",
    "The sandbox host died during the invocation, which may have written before.",
    "Check what the call wrote before calling again.",
  ),
  OVERLOADED: entry(
    "operator",
    true,
    503,
    8,
    "OVERLOADED",
    "A queue or the node is full, or it stops; or people allow the function no more instances.",
    "Call again later, with back-off; if this lasts raise the capacity, or what people allow (`locus scale`).",
  ),
  REDIS_UNAVAILABLE: entry(
    "operator",
    true,
    503,
    14,
    "REDISUNAVAILABLE",
    "Redis cannot be reached, or dropped the connection. A node reconnects by itself.",
    "See that Redis runs, and that its address (LOCUS_REDIS_HOST, LOCUS_REDIS_PORT) and the credentials are right.",
  ),
  NODE_UNAVAILABLE: entry(
    "operator",
    true,
    503,
    14,
    "NODEUNAVAILABLE",
    "No node answers where a command line tool looks for one.",
    "Start one with `locus node` (in a clone `./build.sh up` starts one with a Redis), or say where it is with `--url` or LOCUS_URL.",
  ),
  INSTANCE_NOT_FOUND: entry(
    "caller",
    false,
    404,
    5,
    "NOINSTANCE",
    "The scheduler knows no such instance, or lease: it ended, or never was.",
    "Acquire another.",
  ),
  INSTANCE_NOT_HELD: entry(
    "caller",
    false,
    409,
    9,
    "INSTANCENOTHELD",
    "What was returned is not held by a call: it was returned before, or belongs to someone else.",
    "Return what was acquired, once.",
  ),
  INSTANCE_FAILED: entry(
    "operator",
    true,
    503,
    14,
    "INSTANCEFAILED",
    "The scheduler could not have an instance started, or lost the one that ran the call.",
    "The message says why; call again if the call may run twice.",
  ),
  NODE_NOT_FOUND: entry(
    "caller",
    false,
    404,
    5,
    "NONODE",
    "The scheduler has no such node.",
    "Correct the name; nodes come and go.",
  ),
  NODES_EXHAUSTED: entry(
    "operator",
    true,
    503,
    8,
    "NODESEXHAUSTED",
    "No further node can be reserved, or none offers as much memory as an instance may use.",
    "Call again later; raise the number of nodes if this lasts, or lower what the function may use.",
  ),
  TRACE_INVALID: entry(
    "caller",
    false,
    400,
    3,
    "TRACEINVALID",
    "A line of a trace is no JSON, lacks something, is out of order, or names a function that the metas do not have.",
    "Correct the line that the message names.",
  ),
  MODULE_MISSING: entry(
    "operator",
    false,
    503,
    9,
    "MODULEMISSING",
    "Redis runs without the locus module, so there is no storage side and no function registry.",
    "Start redis-server with `--loadmodule` and the path of `build/locus.so` in the checkout or the package; `locus doctor` says it.",
  ),
  MODULE_MISMATCH: entry(
    "operator",
    false,
    503,
    9,
    "MODULEMISMATCH",
    "The module in Redis and this node speak different versions of the protocol.",
    "Run the module and the node of one release.",
  ),
  STORAGE_REFUSED: entry(
    "operator",
    true,
    503,
    9,
    "STORAGEREFUSED",
    "Redis cannot take this as it is: it is a replica, is paused, is busy with a script or with loading, keeps its data in a way in which functions would be lost, or has as many functions as it may keep.",
    "The message names the state; change it (delete a function where there are too many), call the primary, or wait for what passes.",
  ),
  UNAUTHENTICATED: entry(
    "caller",
    false,
    401,
    16,
    "UNAUTHENTICATED",
    "A gRPC listener that asks for a secret was called without it, or with another.",
    "Give the secret that the listener was started with (LOCUS_GRPC_SECRET).",
  ),
  PEER_UNAVAILABLE: entry(
    "operator",
    true,
    503,
    14,
    "PEERUNAVAILABLE",
    "A gRPC service that this one needs (a resource manager, a node, a scheduler, a platform) cannot be reached.",
    "See that it runs, and that its endpoint, certificate and secret are right.",
  ),
  CONFIG_INVALID: entry(
    "operator",
    false,
    500,
    9,
    "CONFIGINVALID",
    "A setting, or a part of a command line, is unknown or has a value that cannot be used.",
    "Correct what the message names; it lists every mistake.",
  ),
  UNSUPPORTED_PLATFORM: entry(
    "operator",
    false,
    501,
    12,
    "UNSUPPORTED",
    "This machine lacks something that locus needs.",
    "`locus doctor` says what is missing and how to mend it.",
  ),
  INTERNAL: entry(
    "locus",
    true,
    500,
    13,
    "INTERNAL",
    "A defect of locus.",
    "Report it, with the message and the log around it.",
  ),
  CALL_REFUSED: entry(
    "caller",
    false,
    400,
    3,
    "CALLREFUSED",
    "The function refused the call: it threw a `CallerError`, whose own status takes the place of 400.",
    "Send what the function takes; the message, and `data` where there is any, say what that is.",
  ),
} as const satisfies Record<string, ErrorEntry>;

export type ErrorCode = keyof typeof ERRORS;

export const isErrorCode = (text: string): text is ErrorCode => Object.hasOwn(ERRORS, text);

interface LocusErrorOptions {
  readonly cause?: unknown;
  readonly guestStack?: string | undefined;
  readonly remedy?: string | undefined;
}

/** An operational failure with a code of the table. The message says what was attempted, with which value, and what forbade it. */
export class LocusError extends Error {
  override readonly name = "LocusError";
  readonly code: ErrorCode;
  /** The guest's stack with the author's files and lines, where the failure has one. */
  readonly guestStack: string | undefined;
  readonly #remedy: string | undefined;

  constructor(code: ErrorCode, message: string, { cause, guestStack, remedy }: LocusErrorOptions = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.guestStack = guestStack;
    this.#remedy = remedy;
  }

  /** What to do about it: what helps all such failures, unless more is known of this one. */
  get remedy(): string {
    return this.#remedy ?? ERRORS[this.code].remedy;
  }
}
