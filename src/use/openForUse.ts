import type { evaluateOptions, Settings } from "../config/index.js";
import type { HubOptions } from "../io/hub/snapshot.js";
import { packLinears } from "../nn/index.js";
import { maxLengthOf, type NamedTask } from "../tasks/index.js";
import { computeDtype, setThreads } from "../torch/index.js";
import { type OpenModel, openModel } from "./openModel.js";

/** What a call can say beside the settings. */
export interface InferenceHooks {
  readonly signal?: AbortSignal;
  /** Notes for people, and the progress of downloads. */
  readonly hub?: HubOptions;
  /** A task of one's own, in the place of one that the settings name. */
  readonly task?: NamedTask;
}

/** What `evaluate` and `predict` have in common: the model in the right dtype, on the right number of threads, packed. */
export async function openForUse(
  settings: Pick<Settings<typeof evaluateOptions>, "model" | "revision" | "adapter" | "dtype" | "threads">,
  task: NamedTask | undefined,
  hub: HubOptions | undefined,
): Promise<OpenModel> {
  const { model, revision, adapter, dtype, threads } = settings;
  if (threads !== undefined) setThreads(threads);
  const open = await openModel({ model, revision, adapter, task, dtype: computeDtype(dtype), ...(hub && { hub }) });
  packLinears(open.model);
  return open;
}

/** `--max-length` if given, else what the model was trained with, within what the model takes. */
export function lengthFor(
  { maxLength, given }: { readonly maxLength: number; readonly given: object },
  open: OpenModel,
): number {
  const isGiven = "maxLength" in given;
  const wanted = isGiven ? maxLength : (open.side?.maxLength ?? maxLength);
  return maxLengthOf(wanted, isGiven, open.tokenizer, open.model.config.maxTokens);
}
