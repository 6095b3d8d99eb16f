// Returns the first bytes of a value: much data in, little out, hardly any computing, so it belongs where the data is. It
// reads the whole value (GET, not GETRANGE) on purpose: it stands for those functions whose small result needs all of a
// large value, such as one field of a document, and those Redis cannot cut for them.

import { defineFunction } from "locus/function";

export default defineFunction({
  name: "project",
  input: { type: ["object", "null"], properties: { bytes: { type: "integer", minimum: 0, maximum: 65_536 } } },
  async run({ redis, args, keys: [key = "md5"] }) {
    const value = (await redis.getBuffer(key)) ?? new Uint8Array();
    const head = value.subarray(0, args?.bytes ?? 16);
    // `stream` leaves out a character that the cut has split.
    return { of: value.length, head: new TextDecoder().decode(head, { stream: true }) };
  },
});
