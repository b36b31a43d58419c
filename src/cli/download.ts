import { downloadOptions } from "../config/index.js";
import { defineCommand, required } from "./command.js";
import { downloadHooks } from "./downloadProgress.js";

export const download = defineCommand({
  usage: "download REPO [--revision REV]",
  about: "Brings a model from the Hub into the cache and prints its folder.",
  options: downloadOptions,
  positionals: 1,
  interruptible: true,
  run: async ({ settings, positionals: [repository], output, signal }) => {
    const { resolveModel } = await import("../io/resolveModel.js");
    const name = required(repository, "The repository, like org/name,");
    const path = await resolveModel(name, { revision: settings.revision, signal, ...downloadHooks(output) });
    output.result({ path }, path);
  },
});
