import { evaluateOptions } from "../config/index.js";
import { defineCommand } from "./command.js";
import { downloadHooks } from "./downloadProgress.js";
import { formatMetrics } from "./observers.js";

export const evaluate = defineCommand({
  usage: "evaluate --model M [--adapter A] --task TASK --data PATH",
  about: "Metrics of a model on labelled rows.",
  options: evaluateOptions,
  positionals: 0,
  interruptible: true,
  run: async ({ given, output, signal }) => {
    const { evaluate: measure } = await import("../commands/evaluate.js");
    const { metrics, intervals, notes } = await measure(given, { signal, hub: { signal, ...downloadHooks(output) } });
    output.result(
      { ...metrics, ...(intervals && { intervals }), ...(notes && { notes }) },
      formatMetrics(metrics, intervals),
    );
  },
});
