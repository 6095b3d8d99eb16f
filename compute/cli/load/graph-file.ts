// Reads the text files that graphs come in, gzip or not. They are somebody else's: what cannot be read is an error with the
// file's name, and a small file that unpacks into a huge one is stopped.

import { type FileHandle, open } from "node:fs/promises";
import { type Readable, pipeline } from "node:stream";
import { createGunzip } from "node:zlib";
import { LocusError } from "#runtime/errors.ts";

/** Bytes of unpacked text, at most. Chosen, not measured: an edge list of NODES_MAX nodes fits. */
const TEXT_BYTES_MAX = 2 * 1024 ** 3;
/** The same for a file that is parsed as a whole: a string in V8 holds half a GiB. */
const WHOLE_TEXT_BYTES_MAX = 256 * 1024 ** 2;

/** Yields the file's text piece by piece, cut anywhere. Throws REQUEST_INVALID. */
export async function* readPieces(file: string, bytesMax = TEXT_BYTES_MAX): AsyncGenerator<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let bytes = 0;
  try {
    await using handle = await open(file);
    for await (const piece of (await unpack(handle)) as AsyncIterable<Uint8Array>) {
      bytes += piece.length;
      if (bytes > bytesMax) throw new Error(`its text is longer than ${bytesMax} bytes`);
      yield decoder.decode(piece, { stream: true });
    }
    yield decoder.decode();
  } catch (error) {
    throw new LocusError("REQUEST_INVALID", `cannot read ${file}: ${(error as Error).message}`, { cause: error });
  }
}

/** Parses a whole file as JSON. Throws REQUEST_INVALID, with the place of a mistake. */
export async function readJson(file: string): Promise<unknown> {
  const pieces = await Array.fromAsync(readPieces(file, WHOLE_TEXT_BYTES_MAX));
  try {
    return JSON.parse(pieces.join(""));
  } catch (error) {
    throw new LocusError("REQUEST_INVALID", `${file} is no JSON: ${(error as Error).message}`, { cause: error });
  }
}

/** Told by its first bytes (RFC 1952), not by its name. */
async function unpack(handle: FileHandle): Promise<Readable> {
  const magic = new Uint8Array(2);
  await handle.read(magic, { position: 0 });
  const bytes = handle.createReadStream({ start: 0, autoClose: false });
  if (magic[0] !== 0x1f || magic[1] !== 0x8b) return bytes;
  // Without the callback an error would be thrown twice; it reaches the reader through the stream.
  return pipeline(bytes, createGunzip(), () => {});
}
