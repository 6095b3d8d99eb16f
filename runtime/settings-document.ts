// A table of settings as the documentation has it, word for word: tests hold the pages that mirror one to this.

import type { SettingTable } from "./setting.ts";

export const settingsTable = (settings: SettingTable): string =>
  [
    "| setting | default | meaning |",
    "|---|---|---|",
    ...Object.values(settings).map(
      ({ variable, fallback, meaning }) => `| \`${variable}\` | ${fallback} | ${meaning} |`,
    ),
  ].join("\n");
