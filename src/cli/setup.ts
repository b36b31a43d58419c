import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { setupOptions } from "../config/index.js";
import { defineCommand } from "./command.js";

const script = fileURLToPath(new URL("../../scripts/setup.sh", import.meta.url));

export const setup = defineCommand({
  usage: "setup",
  about: "Installs and builds what is needed: system packages, npm packages, the native bridge.",
  options: setupOptions,
  positionals: 0,
  run: async ({ settings }) => {
    const words = settings.yes ? [script, "--yes"] : [script];
    return spawnSync("bash", words, { stdio: ["inherit", process.stderr, process.stderr] }).status ?? 1;
  },
});
