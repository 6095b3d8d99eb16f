// Advice about well-known globals that functions do not have. It follows V8's own message for the error. The names
// stay undefined, so that a package which asks `typeof fetch` takes its other way.

const NETWORK = "a function has no network: have its caller fetch, and pass the data in args or put it in Redis";
const BYTES = "use Uint8Array with TextEncoder and TextDecoder, atob and btoa, and the …Buffer methods of redis";
const PROCESS = "a function has no process and no environment: pass settings in args or put them in Redis";
const IMPORTS = "use import: the bundle includes what a function imports";
const LATER = "call setTimeout again inside its callback; no timer outlives its call";
const PAGE = "a function runs in no page: its global object is globalThis";
const STORE = "put data in Redis";
const SUBTLE =
  "if it is of crypto.subtle: functions have none, so import a package such as @noble/hashes or @noble/ciphers";
const ABORT = "a call is ended at its deadline (limits.deadlineMs), and nothing else in a function can be aborted";

/** By name. docs/functions.md lists them (a test holds it to this). */
export const ABSENT_GLOBALS: Readonly<Record<string, string>> = {
  fetch: NETWORK,
  XMLHttpRequest: NETWORK,
  WebSocket: NETWORK,
  EventSource: NETWORK,
  Buffer: BYTES,
  process: PROCESS,
  require: IMPORTS,
  module: IMPORTS,
  exports: IMPORTS,
  __dirname: IMPORTS,
  __filename: IMPORTS,
  setInterval: LATER,
  clearInterval: LATER,
  setImmediate: LATER,
  window: PAGE,
  document: PAGE,
  self: PAGE,
  global: PAGE,
  localStorage: STORE,
  sessionStorage: STORE,
  indexedDB: STORE,
  AbortController: ABORT,
  AbortSignal: ABORT,
};

/** Of these, what is called or constructed. */
const CALLED: ReadonlySet<string> = new Set(
  Object.keys(ABSENT_GLOBALS).filter(
    (name) => [NETWORK, LATER, ABORT].includes(ABSENT_GLOBALS[name]!) || name === "require",
  ),
);

const REFERENCE = /^(\S+) is not defined$/;
const MEMBER = /^(globalThis\.)?(\w+) is not a (?:function|constructor)$/;
const OF_UNDEFINED = /^Cannot read properties of undefined \(reading '(\w+)'\)$/;
const SUBTLE_METHODS =
  /^(digest|(import|export|generate|derive|wrap|unwrap)Key|deriveBits|encrypt|decrypt|sign|verify|getPublicKey)$/;
const PAGE_HINT = "; docs/functions.md lists the globals that functions have";

/** It follows the message of a thrown error; empty where the error is of another kind. */
export function absenceHint(thrown: unknown): string {
  try {
    if (!(thrown instanceof Error)) return "";
    const message: unknown = thrown.message;
    if (typeof message !== "string") return "";
    if (thrown instanceof ReferenceError) return hintFor(REFERENCE.exec(message)?.[1]);
    if (!(thrown instanceof TypeError)) return "";
    const read = OF_UNDEFINED.exec(message)?.[1];
    if (read !== undefined) return SUBTLE_METHODS.test(read) ? `; ${SUBTLE}` : "";
    const [, scope, name = ""] = MEMBER.exec(message) ?? [];
    // A variable that is called may bear the name of a global that is none to be called.
    return scope !== undefined || CALLED.has(name) ? hintFor(name) : "";
  } catch {
    return "";
  }
}

function hintFor(name: string | undefined): string {
  if (name === undefined) return "";
  return Object.hasOwn(ABSENT_GLOBALS, name) ? `; ${ABSENT_GLOBALS[name]}` : PAGE_HINT;
}
