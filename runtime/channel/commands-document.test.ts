import { expect, test } from "vitest";
import { commandsDocument } from "./commands-document.ts";

test("docs/commands.md is what the command table says", async () => {
  await expect(commandsDocument()).toMatchFileSnapshot("../../docs/commands.md");
});
