import { expect, test } from "vitest";
import { errorsDocument } from "./errors-document.ts";

test("docs/errors.md is what the table of errors says", async () => {
  await expect(errorsDocument()).toMatchFileSnapshot("../docs/errors.md");
});
