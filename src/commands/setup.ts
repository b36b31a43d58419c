/** `bidora setup`: installs and builds what is needed. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { packageRoot } from "../common/installation.js";
import { session } from "../config/index.js";
import { toggle } from "../settings/kinds.js";
import { option } from "../settings/option.js";
import { defineCommand } from "./command.js";

const script = join(packageRoot, "scripts", "setup.sh");

export const setupCommand = defineCommand({
  usage: "setup",
  about: "Installs and builds what is needed: system packages, npm packages, the native bridge.",
  options: {
    yes: option(toggle, {
      group: "Run",
      help: "install system packages without asking, as root and in CI",
      default: false,
      session: true,
    }),
    ...session,
  },
  hooks: [],
  async run({ yes }) {
    const words = yes ? [script, "--yes"] : [script];
    return spawnSync("bash", words, { stdio: ["inherit", process.stderr, process.stderr] }).status ?? 1;
  },
  show: (status) => ({ status }),
});
