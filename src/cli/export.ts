import { exportOptions } from "../config/index.js";
import { defineCommand } from "./command.js";

export const exportAdapter = defineCommand({
  usage: "export --adapter A [--model M] --to FORMAT --output PATH",
  about: "Writes an adapter in another format.",
  options: exportOptions,
  positionals: 0,
  leavesFiles: true,
  run: async ({ given, output }) => {
    const { exportAdapter: write } = await import("../use/export.js");
    const { path, note, relativeError } = await write(given);
    output.result({ output: path, relativeError }, `${note}\nExported to ${path}`);
  },
});
