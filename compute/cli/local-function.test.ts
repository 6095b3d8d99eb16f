import { describe, expect, it } from "vitest";

import { loadLocalFunction } from "./local-function.ts";

describe("loadLocalFunction", () => {
  it("loads a sample by its name, and a file by its path", async () => {
    expect((await loadLocalFunction("empty")).name).toBe("empty");
    const path = new URL("../../functions/khop.ts", import.meta.url).pathname;
    expect((await loadLocalFunction(path)).name).toBe("khop");
  });

  it("says what is not there, and what is no function", async () => {
    await expect(loadLocalFunction("nobody")).rejects.toMatchObject({ code: "FUNCTION_NOT_FOUND" });
    await expect(loadLocalFunction(new URL("./summary.ts", import.meta.url).pathname)).rejects.toMatchObject({
      code: "FUNCTION_INVALID",
    });
  });
});
