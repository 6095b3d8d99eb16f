// Where the build leaves the program of an instance that is a process or a container (agent/main-agent.ts, as one file).

import { join } from "node:path";
import { BUILD_DIRECTORY } from "#runtime/sandbox/native-supervisor.ts";

export const AGENT_PATH = join(BUILD_DIRECTORY, "agent.mjs");
