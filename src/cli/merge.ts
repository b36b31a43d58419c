import { mergeOptions } from "../config/index.js";
import { defineCommand } from "./command.js";

export const merge = defineCommand({
  usage: "merge [--model M] --adapter A --output DIR",
  about: "Writes adapter and base as one plain Hugging Face model.",
  options: mergeOptions,
  positionals: 0,
  leavesFiles: true,
  run: async ({ given, output }) => {
    const { merge: write } = await import("../commands/merge.js");
    const { path } = await write(given);
    output.result({ output: path }, `Merged model in ${path}`);
  },
});
