/** What evaluating and predicting have in common. */
import { BidoraError } from "../common/errors.js";
import type { Dataset } from "../data/index.js";
import type { HubOptions } from "../io/hub/snapshot.js";
import { packLinears } from "../nn/index.js";
import { maxLengthOf, type NamedTask } from "../tasks/index.js";
import { computeDtype, setThreads } from "../torch/index.js";
import { type OpenModel, type OpenOptions, openModel } from "./openModel.js";

/** Opens a model for inference: in the right dtype, on the right number of threads, with packed weights. */
export async function openForUse(
  settings: Omit<OpenOptions, "dtype" | "hub" | "task"> & {
    readonly dtype: Parameters<typeof computeDtype>[0];
    readonly threads?: number | undefined;
  },
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
