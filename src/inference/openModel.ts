/** Opening a model for inference, with its adapter if there is one. */
import { existsSync } from "node:fs";
import {
  type AdaptedModel,
  type AdapterConfig,
  type AdapterMetadata,
  attachAdapter,
  findAdapterMetadata,
  readAdapter,
  type SavedAdapter,
} from "../adapters/index.js";
import { aText, type Check, checkArguments, optional, options as optionsOf } from "../common/arguments.js";
import { BidoraError, UsageError } from "../common/errors.js";
import type { Dataset } from "../data/index.js";
import type { JsonObject } from "../files/json.js";
import { readConfig } from "../io/checkpoint.js";
import type { HubOptions } from "../io/hub/options.js";
import { hubOptions } from "../io/hub/options.js";
import { resolveModel } from "../io/resolveModel.js";
import { aDType, architectureOf, type LoadedModel, loadModel } from "../models/index.js";
import { packLinears } from "../nn/index.js";
import { aNamedTask, maxLengthOf, type NamedTask, type UsedHead, usedHead } from "../tasks/index.js";
import { loadTokenizer, type Tokenizer } from "../text/index.js";
import { computeDtype, type DType, Generator, setThreads } from "../torch/index.js";

/** The model to open, and its adapter. */
export interface OpenOptions {
  readonly model?: string | undefined;
  readonly revision?: string | undefined;
  readonly adapter?: string | undefined;
  /** By default the task of the adapter or the checkpoint. */
  readonly task?: NamedTask | undefined;
  readonly dtype: DType;
  readonly hub?: HubOptions;
}

/** A model with its adapter, if there is one. */
export interface ModelWithAdapter extends LoadedModel, UsedHead {
  readonly folder: string;
  readonly checkpointConfig: JsonObject;
  readonly adapter: SavedAdapter | undefined;
  /** The adapter in the model's layers. */
  readonly adapted: AdaptedModel<AdapterConfig> | undefined;
  /** How the model is used, from the bidora.json beside it. */
  readonly metadata: AdapterMetadata | undefined;
}

/** The same with its tokenizer. */
export interface OpenModel extends ModelWithAdapter {
  readonly tokenizer: Tokenizer;
}

/** What is known of a model before its weights are read. */
interface FoundModel {
  readonly adapter: SavedAdapter | undefined;
  readonly folder: string;
}

/** Reads the adapter, and finds its base model. */
export async function findModel(options: Omit<OpenOptions, "task" | "dtype">): Promise<FoundModel> {
  const { adapter: name, hub } = options;
  const adapter = name === undefined ? undefined : await readAdapter(await resolveModel(name, hub));
  return { adapter, folder: await baseFolder(options, adapter) };
}

const OPTIONS = optionsOf({
  model: optional(aText),
  revision: optional(aText),
  adapter: optional(aText),
  task: optional(aNamedTask),
  dtype: aDType,
  hub: optional(hubOptions),
} satisfies Record<keyof OpenOptions, Check>);

/**
 * Loads a base model and its adapter. The head follows from the adapter, else from the checkpoint.
 * @throws BidoraError `HEAD` if neither has one
 */
export async function openModel(options: OpenOptions): Promise<OpenModel> {
  checkArguments("openModel", ["options", options, OPTIONS]);
  const opened = await openWithAdapter(options);
  return { ...opened, tokenizer: await loadTokenizer(opened.folder) };
}

/** As `openModel`, without a tokenizer. */
export async function openWithAdapter(options: OpenOptions, found?: FoundModel): Promise<ModelWithAdapter> {
  const { adapter, folder } = found ?? (await findModel(options));
  const checkpointConfig = readConfig(folder);
  const metadata = adapter ? adapter.metadata : findAdapterMetadata(folder);
  const used = usedHead(architectureOf(checkpointConfig), checkpointConfig, { adapter, metadata }, options.task);
  const { task, labels } = used;
  const generator = new Generator(0);
  const loaded = await loadModel(folder, { head: task.head, outputs: labels.length, dtype: options.dtype, generator });
  refuseUntrainedHead(loaded, adapter);
  const dtype = options.dtype === "float64" ? "float64" : "float32";
  const adapted = adapter && attachAdapter(loaded.model, adapter, { generator, dtype });
  return { ...loaded, ...used, folder, checkpointConfig, adapter, adapted, metadata };
}

/** The base model's folder: `--model`, else the base that the adapter names. @throws UsageError if neither does */
export async function baseFolder(
  options: Pick<OpenOptions, "model" | "revision" | "hub">,
  adapter: SavedAdapter | undefined,
): Promise<string> {
  const name = options.model ?? adapter?.baseModel;
  if (name === undefined)
    throw new UsageError(
      adapter
        ? "--model is missing, and the adapter does not name its base model: give a local folder or a Hub repository."
        : "--model is missing: give a local folder or a Hub repository, or an --adapter that names its base model.",
    );
  const own = options.model === undefined && !existsSync(name) ? adapter?.revision : undefined;
  const revision = options.revision ?? own;
  return resolveModel(name, { ...options.hub, ...(revision === undefined ? {} : { revision }) });
}

/** Refuses a head that was never trained, since its predictions would be random. */
function refuseUntrainedHead({ initialized }: LoadedModel, adapter: SavedAdapter | undefined): void {
  const untrained = initialized.filter(
    (path) => !adapter || ![...adapter.tensors.keys()].some((name) => name.startsWith(`${path}.`)),
  );
  if (untrained.length === 0) return;
  throw new BidoraError(
    "HEAD",
    `Neither the model nor the adapter has weights for ${untrained.join(", ")}: it was not fine-tuned for this task.`,
  );
}

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

/** `--max-length` if given, else the length that the model was trained with, at most what the model allows. */
export function lengthFor(
  { maxLength, given }: { readonly maxLength: number; readonly given: object },
  open: OpenModel,
): number {
  const isGiven = "maxLength" in given;
  const wanted = isGiven ? maxLength : (open.metadata?.maxLength ?? maxLength);
  return maxLengthOf(wanted, isGiven, open.tokenizer, open.model.config.maxTokens);
}

/**
 * A model that was trained on pairs of texts needs pairs, and one that was trained on single texts needs single texts, unless the user
 * names the columns.
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
