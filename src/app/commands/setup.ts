/** `bidora setup`: finds or builds the engine. */

import { isClone } from "../../base/index.js";
import { group, toggle } from "../../base/settings/index.js";
import { session } from "../../tasks/config/index.js";
import { clean } from "../setup/clean.js";
import { setUp } from "../setup/setUp.js";
import { thisSystem } from "../setup/system.js";
import { defineCommand, formatTable } from "./command.js";

const run = group("Run");

const toBuild = { only: "without --clean", holds: ({ clean }: { readonly clean?: unknown }) => clean !== true };

export const setupCommand = defineCommand({
  usage: "setup",
  about: "Builds the engine for libtorch if there is none: for the system's, for that in LIBTORCH, or for Python's.",
  options: {
    fromPython: run(toggle, "build for the torch of the python3 on the PATH", {
      default: false,
      session: true,
      appliesWhen: toBuild,
    }),
    yes: run(toggle, "install system packages without asking, as root and in CI", {
      default: false,
      session: true,
      appliesWhen: toBuild,
    }),
    develop: run(toggle, "in a clone: build there, and install what its checks need", {
      default: false,
      session: true,
      appliesWhen: {
        only: "in a clone of bidora, and without --clean",
        holds: (settings) => isClone && toBuild.holds(settings),
      },
    }),
    clean: run(toggle, "only remove what no installation uses any more from the cache", {
      default: false,
      session: true,
    }),
    ...session,
  },
  hooks: ["signal", "onNote"],
  async run(settings, context) {
    if (settings.clean) return { removed: clean() };
    return { engine: await setUp(thisSystem, settings, context) };
  },
  show(result) {
    if (!result.removed) return { value: result.engine };
    const rows = result.removed.map(({ path, bytes }) => [path, Math.round(bytes / 2 ** 20)]);
    return { value: result, text: rows.length > 0 ? formatTable(["removed", "MiB"], rows) : "Nothing to remove." };
  },
});
