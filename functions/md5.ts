// One large read, then much computing: AutoLoc's function that belongs on the compute side. The value, of 64 KiB, is
// digested 512 times.

import { defineFunction } from "locus/function";
import { md5 } from "./digest/md5.ts";

const TIMES = 512;

export default defineFunction({
  name: "md5",
  async run({ redis, keys: [key = "md5"] }) {
    const value = await redis.getBuffer(key);
    if (value === null) throw new Error(`there is no value under the key ${key}`);

    let digest = md5(value);
    for (let time = 1; time < TIMES; time++) digest = md5(value);
    return { md5: digest.toHex(), times: TIMES };
  },
});
