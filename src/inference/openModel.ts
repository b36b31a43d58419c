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
import type { JsonObject } from "../files/json.js";
import { readConfig } from "../io/checkpoint.js";
import { hubOptions } from "../io/hub/options.js";
import type { HubOptions } from "../io/hub/snapshot.js";
import { resolveModel } from "../io/resolveModel.js";
import { aDType, architectureOf, type LoadedModel, loadModel } from "../models/index.js";
import { aNamedTask, type NamedTask, type UsedHead, usedHead } from "../tasks/index.js";
import { loadTokenizer, type Tokenizer } from "../text/index.js";
import { type DType, Generator } from "../torch/index.js";

/** Which model is opened, with which adapter. */
export interface OpenOptions {
  readonly model?: string | undefined;
  readonly revision?: string | undefined;
  readonly adapter?: string | undefined;
  /** By default the adapter's or the checkpoint's own. */
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
  /** How the model is used, as this program keeps it beside what it trained. */
  readonly metadata: AdapterMetadata | undefined;
}

/** The same, ready for texts. */
export interface OpenModel extends ModelWithAdapter {
  readonly tokenizer: Tokenizer;
}

/** What is opened, before any of the model's weights are read. */
export interface FoundModel {
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
 * Loads a base model and its adapter for use. The head follows from the adapter, else from the checkpoint.
 * @throws BidoraError `HEAD` when neither has one
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

/** The base model's folder: `--model`, else what the adapter says it was made for. @throws UsageError where neither says it */
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
