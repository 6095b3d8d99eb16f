// The globals beyond the language that typebox asks for, over natives of runtime/native/guest_natives.cc: a bare context has none.

import { installEncoding } from "./prelude-encoding.guest.ts";

interface Natives {
  encodeUtf8(text: string): Uint8Array;
  decodeUtf8(bytes: Uint8Array): string;
  compileUrl(): { readonly URL: unknown };
}

const define = (name: string, value: unknown): void => {
  Object.defineProperty(globalThis, name, { value, configurable: true });
};

const { natives } = globalThis as unknown as { natives: Natives };
// It hashes values for `uniqueItems`.
installEncoding(natives, define);
// It resolves each `$ref`, and few schemas have one: compiled at first use.
Object.defineProperty(globalThis, "URL", {
  configurable: true,
  get(): unknown {
    const { URL } = natives.compileUrl();
    define("URL", URL);
    return URL;
  },
});
