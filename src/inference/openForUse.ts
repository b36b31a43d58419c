import { checkArguments, optional, options, signal } from "../common/arguments.js";
import { BidoraError, UsageError } from "../common/errors.js";
import { type evaluateOptions, flagOf, type Settings } from "../config/index.js";
import type { Dataset } from "../data/index.js";
import { isNamedFolder, type TaskChoice } from "../datasets/index.js";
import { hubOptions } from "../io/hub/options.js";
import type { HubOptions } from "../io/hub/snapshot.js";
import { packLinears } from "../nn/index.js";
import { aNamedTask, maxLengthOf, type NamedTask } from "../tasks/index.js";
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

/** What is said of a call beside the settings, by the names that it takes. */
export function checkHooks(call: string, hooks: unknown, ...names: readonly (keyof InferenceHooks)[]): void {
  const known = Object.fromEntries(names.map((name) => [name, HOOKS[name]]));
  checkArguments(call, ["hooks", hooks, options(known)]);
}

const HOOKS = { signal, hub: optional(hubOptions), task: optional(aNamedTask) };

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
  const wanted = isGiven ? maxLength : (open.metadata?.maxLength ?? maxLength);
  return maxLengthOf(wanted, isGiven, open.tokenizer, open.model.config.maxTokens);
}

/**
 * A model of pairs says something else of texts alone, and the other way round: where nobody names the columns, rows have as many as
 * it was trained on.
 * @throws BidoraError `UNKNOWN_COLUMN` naming both
 */
export function checkTexts(
  { columns }: Pick<Dataset, "columns">,
  { metadata, task }: Pick<OpenModel, "metadata" | "task">,
  path: string,
  { textColumns: given }: { readonly textColumns?: readonly string[] | undefined },
): void {
  const [trained, found] = [metadata?.textColumns, columns?.text];
  if (given || task.isGenerative || !trained || !found || trained.length === found.length) return;
  throw new BidoraError(
    "UNKNOWN_COLUMN",
    `The model was trained on ${trained.join(" and ")}, but ${path} has ${found.join(" and ")} for it: name the columns by --text-columns.`,
  );
}

/**
 * A named data set's folder has splits, a file has columns to name.
 * @throws UsageError for the one where there is the other
 */
export function refuseIdleParts(given: object, task: TaskChoice | undefined, path: string): void {
  const isFolder = task !== undefined && isNamedFolder(task, path);
  const idle = isFolder ? (["textColumns", "labelColumn"] as const) : (["split"] as const);
  const found = idle.find((key) => key in given);
  if (found === undefined) return;
  const only = isFolder ? "on a file of rows" : "on a named data set's folder";
  throw new UsageError(`No effect here: ${flagOf(found)} (acts only ${only}, not on ${path}); leave it out.`);
}
