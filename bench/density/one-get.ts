// A small function: one GET of a key that it is given. It is deployed under thousands of names.

import { defineFunction } from "locus/function";

export default defineFunction({
  name: "one-get",
  input: { type: "string" },
  run: ({ redis, args: key }) => redis.get(key),
});
