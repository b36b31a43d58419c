import { readRunFile, resolveRun, runOptions } from "../config/index.js";
import { hasLifeline } from "../io/lifeline.js";
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
    const { finetune: train } = await import("../commands/finetune.js");
    const result = await withCheckpointSignal((checkpoints) =>
      train(config, {
        signal,
        // The process that a killed comparison began may still be saving its checkpoint.
        waits: hasLifeline,
        checkpoints,
        observers: observersFor(output),
        hub: { signal, ...downloadHooks(output) },
      }),
    );
    if (result.isStopped) return INTERRUPTED;
    if (output.json) return;
    const { metrics, output: folder } = result;
    const figures = Object.keys(metrics).length ? `${formatMetrics(metrics)}\n` : "";
    output.result(metrics, `${figures}Saved in ${folder}`);
  },
});

/** Has a run save a checkpoint at every signal that asks for one. */
async function withCheckpointSignal<T>(body: (checkpoints: CheckpointRequest) => Promise<T>): Promise<T> {
  const checkpoints = new CheckpointRequest();
  const ask = () => checkpoints.ask();
  process.on(CHECKPOINT_SIGNAL, ask);
  try {
    return await body(checkpoints);
  } finally {
    process.off(CHECKPOINT_SIGNAL, ask);
  }
}
