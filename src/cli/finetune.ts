import { readRunFile, resolveRun, runOptions } from "../config/index.js";
import { CHECKPOINT_SIGNAL, CheckpointRequest } from "../train/checkpointRequest.js";
import { defineCommand } from "./command.js";
import { downloadHooks } from "./downloadProgress.js";
import { INTERRUPTED } from "./interrupts.js";
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
    const result = await train(config, {
      signal,
      checkpoints: checkpointsAtSignal(),
      observers: observersFor(output),
      hub: { signal, ...downloadHooks(output) },
    });
    if (result.isStopped) return INTERRUPTED;
    if (output.json) return;
    const { metrics, output: folder } = result;
    const figures = Object.keys(metrics).length ? `${formatMetrics(metrics)}\n` : "";
    output.result(metrics, `${figures}Saved in ${folder}`);
  },
});

/** A checkpoint at every such signal, from now on. */
function checkpointsAtSignal(): CheckpointRequest {
  const request = new CheckpointRequest();
  process.on(CHECKPOINT_SIGNAL, () => request.ask());
  return request;
}
