import { readRunFile, resolveRun, runOptions } from "../config/index.js";
import { defineCommand } from "./command.js";
import { downloadHooks } from "./downloadProgress.js";
import { formatMetrics, observersFor } from "./observers.js";

export const finetune = defineCommand({
  usage: "finetune [run.yaml] [flags]",
  about: "Trains a model. Flags beat the YAML file; its keys are the same in camelCase.",
  options: runOptions,
  positionals: 1,
  interruptible: true,
  leavesFiles: true,
  run: async ({ given, positionals: [file], output, signal }) => {
    const config = resolveRun(given, { file: file === undefined ? {} : readRunFile(file) });
    const { finetune: train } = await import("../run/finetune.js");
    const { metrics, output: folder } = await train(config, {
      signal,
      observers: observersFor(output),
      hub: { signal, ...downloadHooks(output) },
    });
    if (output.json || signal.aborted) return;
    const figures = Object.keys(metrics).length ? `${formatMetrics(metrics)}\n` : "";
    output.result(metrics, `${figures}Saved in ${folder}`);
  },
});
