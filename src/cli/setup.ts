import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { sessionOptions } from "../config.js";
import { defineCommand } from "./command.js";

const script = fileURLToPath(new URL("../../scripts/setup.sh", import.meta.url));

export const setup = defineCommand({
  usage: "setup",
  about: "Installs and builds what is needed: system packages, npm packages, the native bridge.",
  options: sessionOptions,
  positionals: 0,
  run: async () => spawnSync("bash", [script], { stdio: ["ignore", process.stderr, process.stderr] }).status ?? 1,
});
