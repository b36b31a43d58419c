/** Opens a model for the library's `Model`. The command line has no such command: `predict` and `generate` open models themselves. */

import { type Given, pick } from "../../../base/settings/index.js";
import { baseModel, generateOptions, rowOptions } from "../../../tasks/config/index.js";
import { chosenTask } from "../../../tasks/datasets/index.js";
import { findModel, Model, openForInference } from "../../../use/inference/index.js";
import { checkedCall, HUB_HOOKS, type HubHooks, readBy } from "../command.js";

const options = {
  ...baseModel,
  ...pick(rowOptions, "task", "dtype", "baseDtype", "device", "threads"),
  ...pick(generateOptions, "merge", "chatTemplate"),
};

/** What `load` takes: the flags of `bidora predict` and `bidora generate` that name a model, in camelCase. */
export type LoadSettings = Given<typeof options>;

/**
 * Opens a model for inference, with its adapter if one is named, from a folder, a GGUF file or a Hub repository. The task is the adapter's,
 * or by default the checkpoint's.
 * @throws UsageError for settings without effect and if no model is named; BidoraError `HEAD` if neither model nor adapter has a trained
 *   head, `ADAPTER_MISFIT` for an adapter of another base model, and for files that can't be read
 */
export async function load(settings: LoadSettings, hooks: HubHooks<"task"> = {}): Promise<Model> {
  const [called, context] = checkedCall(
    "load",
    { options, read: readBy(options), hooks: [...HUB_HOOKS, "task"] },
    settings,
    hooks,
  );
  const { signal } = context;
  const asked = chosenTask(called.task, context.task);
  const found = await findModel(called, context);
  signal?.throwIfAborted();
  const model = new Model(await openForInference(found, called, asked));
  if (signal?.aborted) model.dispose();
  signal?.throwIfAborted();
  return model;
}
