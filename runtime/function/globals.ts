// The guest globals: all that a function has besides the language, the same on both sides. The sandbox host installs
// exactly these, the bundler names them where an author reaches for more, docs/functions.md lists them.

export const GUEST_GLOBALS: readonly string[] = [
  "console",
  "setTimeout",
  "clearTimeout",
  "queueMicrotask",
  "TextEncoder",
  "TextDecoder",
  "URL",
  "URLSearchParams",
  "atob",
  "btoa",
  "structuredClone",
  "crypto.getRandomValues",
  "crypto.randomUUID",
  "performance.now",
];
