/** `bidora download`: a Hub model into the cache. */

import { option, pick, text } from "../../../base/settings/index.js";
import { modelFolder } from "../../../formats/index.js";
import { runOptions, session } from "../../../tasks/config/index.js";
import { defineCommand, HUB_HOOKS, required } from "../command.js";

export const downloadCommand = defineCommand({
  usage: "download REPO [--revision REV]",
  about: "Downloads a model from the Hub into the cache and prints its folder.",
  options: {
    repository: option(text("REPO"), { group: "Model", help: "a Hub repository, like org/name", positional: true }),
    ...pick(runOptions, "revision"),
    ...session,
  },
  hooks: HUB_HOOKS,
  printsDownload: true,
  async run({ repository, revision }, context) {
    const name = required(repository, "The repository, like org/name,");
    return { path: await modelFolder(name, context, context.hub?.revision ?? revision) };
  },
  show: (found) => ({ value: found, text: found.path }),
});
