import { predictOptions } from "../config/index.js";
import { defineCommand } from "./command.js";
import { downloadHooks } from "./downloadProgress.js";

export const predict = defineCommand({
  usage: "predict --model M [--adapter A] --input PATH --output FILE",
  about: "Writes one JSON line for each row in, in the same order.",
  options: predictOptions,
  positionals: 0,
  interruptible: true,
  leavesFiles: true,
  run: async ({ given, output, signal }) => {
    const { predict: write } = await import("../commands/predict.js");
    const { rows, path } = await write(given, { signal, hub: { signal, ...downloadHooks(output) } });
    output.result({ rows, output: path }, `${rows} rows in ${path}`);
  },
});
