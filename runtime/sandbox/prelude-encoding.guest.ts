// TextEncoder, TextDecoder, atob and btoa for the guest, over two natives that convert UTF-8. WHATWG's Encoding and
// HTML standards, UTF-8 only.

interface Utf8 {
  encodeUtf8(text: string): Uint8Array;
  decodeUtf8(bytes: Uint8Array): string;
}

const toText = String;
const { fromCharCode, fromCodePoint } = String;

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const LABELS = ["utf-8", "utf8", "unicode-1-1-utf-8"];

export function installEncoding(utf8: Utf8, define: (name: string, value: unknown) => void): void {
  class TextEncoder {
    get encoding(): string {
      return "utf-8";
    }
    encode(text: unknown = ""): Uint8Array {
      return utf8.encodeUtf8(toText(text));
    }
    encodeInto(text: unknown, to: Uint8Array): { read: number; written: number } {
      const source = toText(text);
      let read = 0;
      let written = 0;
      while (read < source.length) {
        const point = source.codePointAt(read)!;
        const bytes = utf8.encodeUtf8(fromCodePoint(point));
        if (written + bytes.length > to.length) break;
        to.set(bytes, written);
        written += bytes.length;
        read += point > 0xffff ? 2 : 1;
      }
      return { read, written };
    }
  }

  class TextDecoder {
    readonly encoding = "utf-8";
    readonly fatal: boolean;
    readonly ignoreBOM: boolean;
    #pending = new Uint8Array(0);
    #started = false;

    constructor(label: unknown = "utf-8", options: { fatal?: boolean; ignoreBOM?: boolean } = {}) {
      if (!LABELS.includes(toText(label).trim().toLowerCase())) {
        throw new RangeError(`TextDecoder knows UTF-8 only, not ${toText(label)}`);
      }
      this.fatal = Boolean(options.fatal);
      this.ignoreBOM = Boolean(options.ignoreBOM);
    }

    decode(input?: ArrayBuffer | ArrayBufferView, options: { stream?: boolean } = {}): string {
      let bytes = joined(this.#pending, bytesOf(input));
      const stream = Boolean(options.stream);
      const whole = stream ? bytes.length - incompleteTail(bytes) : bytes.length;
      this.#pending = bytes.slice(whole);
      bytes = bytes.subarray(0, whole);
      let text = utf8.decodeUtf8(bytes);
      if (this.fatal && !same(utf8.encodeUtf8(text), bytes)) {
        this.#pending = new Uint8Array(0);
        this.#started = false;
        throw new TypeError("the bytes are not UTF-8");
      }
      if (!this.#started && !this.ignoreBOM && text.charCodeAt(0) === 0xfeff) text = text.slice(1);
      this.#started = stream && (this.#started || whole > 0);
      return text;
    }
  }

  define("TextEncoder", TextEncoder);
  define("TextDecoder", TextDecoder);
  define("btoa", btoa);
  define("atob", atob);
}

function bytesOf(input: ArrayBuffer | ArrayBufferView | undefined): Uint8Array<ArrayBuffer> {
  if (input === undefined) return new Uint8Array(0);
  if (ArrayBuffer.isView(input)) return new Uint8Array(input.buffer as ArrayBuffer, input.byteOffset, input.byteLength);
  return new Uint8Array(input);
}

function joined(head: Uint8Array<ArrayBuffer>, tail: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  if (head.length === 0) return tail;
  const both = new Uint8Array(head.length + tail.length);
  both.set(head);
  both.set(tail, head.length);
  return both;
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** Bytes at the end that begin a character which is not all there. */
function incompleteTail(bytes: Uint8Array): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back]!;
    if (byte < 0x80) return 0;
    if (byte < 0xc0) continue;
    const needed = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
    return needed > back ? back : 0;
  }
  return 0;
}

function btoa(data: unknown): string {
  const text = toText(data);
  let encoded = "";
  for (let i = 0; i < text.length; i += 3) {
    const [a, b, c] = [text.charCodeAt(i), text.charCodeAt(i + 1), text.charCodeAt(i + 2)];
    if (a > 255 || b > 255 || c > 255) throw new RangeError("btoa takes characters up to U+00FF only");
    encoded += ALPHABET[a >> 2]! + ALPHABET[((a & 3) << 4) | (b >> 4)]!;
    encoded += i + 1 < text.length ? ALPHABET[((b & 15) << 2) | (c >> 6)]! : "=";
    encoded += i + 2 < text.length ? ALPHABET[c & 63]! : "=";
  }
  return encoded;
}

function atob(data: unknown): string {
  let text = toText(data).replace(/[\t\n\f\r ]/g, "");
  if (text.length % 4 === 0) text = text.replace(/==?$/, "");
  if (text.length % 4 === 1 || /[^A-Za-z0-9+/]/.test(text)) throw new RangeError("atob got what is not Base64");
  let decoded = "";
  let bits = 0;
  let held = 0;
  for (const character of text) {
    held = ((held << 6) | ALPHABET.indexOf(character)) & 0xffff;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      decoded += fromCharCode((held >> bits) & 255);
    }
  }
  return decoded;
}
