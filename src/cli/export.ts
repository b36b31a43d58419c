import { exportOptions } from "../config/index.js";
import { defineCommand } from "./command.js";

export const exportAdapter = defineCommand({
  usage: "export [--model M] --adapter A --to FORMAT --output PATH",
  about: "Writes an adapter, or with --to gguf its merged model, in another format.",
  options: exportOptions,
  positionals: 0,
  leavesFiles: true,
  run: async ({ given, output }) => {
    const { exportAdapter: write } = await import("../commands/export.js");
    const { path, note, relativeError } = await write(given);
    output.result({ output: path, relativeError }, `${note}\nExported to ${path}`);
  },
});
