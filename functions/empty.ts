// Does nothing: what is left of a call when the function costs nothing.

import { defineFunction } from "locus/function";

export default defineFunction({ name: "empty", run: () => null });
