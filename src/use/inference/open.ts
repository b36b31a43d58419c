/** Opens a model, with its adapter if it has one, from a folder, a GGUF file or a Hub repository. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { BidoraError, CHAT_TEMPLATE, given, UsageError } from "../../base/index.js";
import type { JsonObject } from "../../base/records/index.js";
import type { HubContext } from "../../formats/hub/index.js";
import {
  isCrossEncoder,
  isSentenceTransformer,
  modelFolder,
  type Pooling,
  readConfig,
  readEmbeddingFormat,
} from "../../formats/index.js";
import {
  type AdaptedModel,
  type AdapterConfig,
  type AdapterMetadata,
  attachAdapter,
  checkFit,
  findAdapterMetadata,
  merge,
  readAdapter,
  type SavedAdapter,
} from "../../models/adapters/index.js";
import { architectureOf, type LoadedModel, loadModel, matrixFormats, type TaskModel } from "../../models/index.js";
import { type BaseDtype, packLinears } from "../../models/nn/index.js";
import {
  configuredTask,
  inferTask,
  type NamedTask,
  namedTask,
  type ResolvedHead,
  resolveHead,
  type Task,
  type TaskSettings,
  takesChats,
} from "../../tasks/index.js";
import { loadTokenizer, type Tokenizer } from "../../text/index.js";
import {
  type ComputeDtype,
  computeDtype,
  type DType,
  Generator,
  resolveDevice,
  setThreads,
} from "../../torch/index.js";
import { baseDtypeFor, noteOnBase } from "./adapterBase.js";
import { noteOtherTokenizer } from "./adapterTokenizer.js";

/** The names of a model and its adapter: folders, GGUF files or Hub repositories. */
interface ModelNames {
  readonly model?: string | undefined;
  readonly revision?: string | undefined;
  /** A name, or an adapter that was already read. */
  readonly adapter?: string | SavedAdapter | undefined;
}

interface FoundAdapter {
  readonly adapter: SavedAdapter | undefined;
  /** Undefined without an adapter and for an adapter passed as a value. */
  readonly adapterFolder: string | undefined;
}

/** A model whose weights are not read yet, and its adapter, which is. */
export interface FoundModel extends FoundAdapter {
  readonly folder: string;
  readonly onNote?: HubContext["onNote"];
}

/** The folders that a model is read from. */
export const foldersOf = ({ folder, adapterFolder }: FoundModel): string[] =>
  adapterFolder === undefined ? [folder] : [folder, adapterFolder];

/** Reads an adapter. @throws BidoraError as `resolveModel` and `readAdapter` */
export async function findAdapter(named: ModelNames["adapter"], context?: HubContext): Promise<FoundAdapter> {
  if (typeof named !== "string") return { adapter: named, adapterFolder: undefined };
  const adapterFolder = await modelFolder(named, context);
  return { adapter: await readAdapter(adapterFolder), adapterFolder };
}

/**
 * Reads the adapter and finds its base model: `model`, or by default the one named by the adapter.
 * @throws UsageError if there is no model; BidoraError as `resolveModel` and `readAdapter`
 */
export async function findModel(names: ModelNames, context?: HubContext): Promise<FoundModel> {
  const found = await findAdapter(names.adapter, context);
  const { adapter } = found;
  const name = names.model ?? adapter?.baseModel;
  if (name === undefined)
    throw new UsageError(
      adapter
        ? "--model is missing, and the adapter does not name its base model: give a local folder or a Hub repository."
        : "--model is missing: give a local folder or a Hub repository, or an --adapter that names its base model.",
    );
  const own = names.model === undefined && !existsSync(name) ? adapter?.revision : undefined;
  const folder = await modelFolder(name, context, names.revision ?? own);
  return { ...found, folder, onNote: context?.onNote };
}

export interface OpenOptions {
  readonly dtype: DType;
  /** The format that matrices are held in instead of tensors (see `LoadModelOptions`). */
  readonly baseDtype?: BaseDtype | undefined;
  /** By default the task of the adapter or the checkpoint. */
  readonly task?: NamedTask | undefined;
  /** For embeddings; by default that of the adapter or the folder. */
  readonly pooling?: Pooling | undefined;
  /** What else the task depends on, such as a loss. */
  readonly settings?: TaskSettings | undefined;
  readonly merge?: boolean | undefined;
  /** An adapter with the head of the task, which is attached later. */
  readonly headOf?: SavedAdapter | undefined;
  /** Whether the adapter is only checked, and attached by `attach`: until then the model is the base model. */
  readonly startsAsBase?: boolean;
  /** Packs the weights into the fastest layout for products, for inference only. */
  readonly packed?: boolean;
  /** Where the model computes, as `resolveDevice` takes it; the CPU by default. */
  readonly device?: string | undefined;
  readonly threads?: number | undefined;
}

/** A model with its weights and its adapter. */
export interface OpenModel extends LoadedModel, ResolvedHead {
  readonly folder: string;
  readonly checkpointConfig: JsonObject;
  /** The dtype that it computes in. */
  readonly dtype: DType;
  readonly adapter: SavedAdapter | undefined;
  /** The adapter in the model's layers. */
  readonly adapted: AdaptedModel<AdapterConfig> | undefined;
  /** Attaches the adapter, if the model `startsAsBase`. */
  attach(): void;
  /** How to use the model, from bidora.json. */
  readonly metadata: AdapterMetadata | undefined;
}

/**
 * Loads a model's weights and attaches its adapter. The head is the adapter's, or by default the checkpoint's.
 * @param which the result of `findModel`, or its arguments
 * @throws BidoraError `HEAD` if neither has one, and as `baseDtypeFor`; UsageError as `poolingFor`
 */
export async function open(
  which: FoundModel | (ModelNames & { readonly folder?: undefined }),
  options: OpenOptions,
): Promise<OpenModel> {
  const { folder, adapter, onNote } = which.folder === undefined ? await findModel(which) : which;
  const { device = "cpu" } = options;
  const baseDtype = baseDtypeFor(adapter, options.baseDtype);
  if (options.threads !== undefined) setThreads(options.threads);
  const checkpointConfig = readConfig(folder);
  const metadata = adapter ? adapter.metadata : findAdapterMetadata(folder);
  const architecture = architectureOf(checkpointConfig);
  const wanted = options.task ?? taskOfModules(folder, options.pooling, adapter);
  const { headOf = adapter } = options;
  const resolved = resolveHead(architecture, checkpointConfig, { adapter: headOf, metadata }, wanted);
  const width = architecture.parseConfig(checkpointConfig).hiddenSize;
  const pooling = poolingFor(options.pooling, { ...resolved, folder, metadata });
  const used = configuredTask(resolved, {
    folder,
    width,
    settings: { ...trainedLoss(metadata, options.settings), pooling },
  });
  const { task, labels } = used;
  const generator = new Generator(0);
  const head = { head: task.head, outputs: labels.length };
  const loaded = await loadModel(folder, { ...head, dtype: options.dtype, baseDtype, generator, device });
  const note = noteOnBase(adapter, matrixFormats(loaded.model));
  if (note !== undefined) onNote?.(note);
  refuseUntrainedHead(loaded, headOf);
  const dtype = options.dtype === "float64" ? "float64" : "float32";
  const opened = { ...loaded, ...used, folder, checkpointConfig, dtype: options.dtype, adapter, metadata };
  const finished = (saved: SavedAdapter | undefined) => {
    const adapted = saved && attachAdapter(loaded.model, saved, { generator, dtype });
    if (options.merge && adapted) merge(adapted);
    if (options.packed) packLinears(loaded.model);
    return { ...opened, adapted, attach: () => void finished(adapter) };
  };
  if (!options.startsAsBase) return finished(adapter);
  if (adapter) checkFit(loaded.model, adapter);
  return finished(undefined);
}

/** The settings that the user gives; with the loss that the model was trained with unless they name another one. */
function trainedLoss(metadata: AdapterMetadata | undefined, asked: TaskSettings = {}): TaskSettings {
  const trained = metadata?.loss as TaskSettings | undefined;
  const isOther = asked.loss !== undefined && asked.loss !== trained?.loss;
  return { ...(isOther ? {} : trained), ...given(asked) };
}

/**
 * A model of sentence-transformers makes embeddings, or is a reranker, unless an adapter or the user says otherwise. One without a trained
 * head for which the user names a pooling makes embeddings too.
 */
export function taskOfModules(
  folder: string,
  pooling: Pooling | undefined,
  adapter?: SavedAdapter | undefined,
): NamedTask | undefined {
  const mayScore = !adapter || (adapter.metadata?.task === undefined && adapter.taskType === "SEQ_CLS");
  if (mayScore && isReranker(folder)) return namedTask("reranking");
  if (adapter) return undefined;
  const isPooled = pooling !== undefined && !inferTask(readConfig(folder));
  return isPooled || isSentenceTransformer(folder) ? namedTask("embedding") : undefined;
}

/** Whether a folder is a CrossEncoder's with one output. Those with several classify pairs. */
export const isReranker = (folder: string): boolean =>
  isCrossEncoder(folder) && inferTask(readConfig(folder))?.kind === "regression";

/** A model, the task that it is used for, and the bidora.json of its adapter or its folder. */
interface PooledModel extends NamedTask {
  readonly folder: string;
  readonly metadata: AdapterMetadata | undefined;
}

/**
 * The pooling that the user names, else the adapter's; undefined for the folder's own.
 * @throws UsageError for a pooling that has no effect, or another one than the adapter or the folder has
 */
export function poolingFor(
  asked: Pooling | undefined,
  { kind, task, folder, metadata }: PooledModel,
): Pooling | undefined {
  const trained = metadata?.pooling;
  if (asked === undefined) return trained;
  if (!task.embedding)
    throw new UsageError(`No effect: --pooling is for embedding, and the model is for ${kind}; leave it out.`);
  const own = trained ?? (isSentenceTransformer(folder) ? readEmbeddingFormat(folder).pooling : undefined);
  if (own === undefined || own === asked) return asked;
  const owner = trained ? "what the model was trained with" : `the modules of ${folder}`;
  throw new UsageError(`--pooling ${asked} contradicts ${owner}, ${own}: leave it out.`);
}

/** An open model with its tokenizer. */
export interface InferenceModel extends OpenModel {
  readonly tokenizer: Tokenizer;
  /** Opens the model without its adapter, for as long as `body` takes; without an adapter it is the model itself. */
  withBase<T>(body: (model: TaskModel) => Promise<T>): Promise<T>;
}

interface InferenceSettings extends Omit<OpenOptions, "dtype" | "task" | "packed"> {
  readonly dtype: ComputeDtype;
  /** A file with a chat template; by default the one that the adapter was trained with, if it was given then. */
  readonly chatTemplate?: string | undefined;
}

/** The file of the chat template that an adapter was trained with, if that is not its base model's. */
export function trainedTemplate({ adapter, adapterFolder }: FoundAdapter): string | undefined {
  return adapter?.metadata?.chatTemplate && adapterFolder !== undefined
    ? join(adapterFolder, CHAT_TEMPLATE)
    : undefined;
}

/** Says in what an adapter's own tokenizer differs from the one that is used. */
export async function noteAdapterTokenizer(
  { adapterFolder: folder, folder: source, onNote }: FoundModel,
  used: Tokenizer,
  task: Pick<Task, "head" | "textParts">,
): Promise<void> {
  if (folder === undefined) return;
  await noteOtherTokenizer({ name: folder, folder, source, chats: takesChats(task) }, used, { onNote });
}

/** Opens a model for inference, with its tokenizer and packed weights. @param named by default that of the adapter or the checkpoint */
export async function openForInference(
  found: FoundModel,
  { chatTemplate, ...settings }: InferenceSettings,
  named: NamedTask | undefined,
): Promise<InferenceModel> {
  const device = resolveDevice(settings.device ?? "auto");
  const held = { ...settings, dtype: computeDtype(settings.dtype, device), device, packed: true };
  const opened = await open(found, { ...held, task: named });
  if (chatTemplate !== undefined && !takesChats(opened.task)) {
    opened.model.dispose();
    throw new UsageError(`No effect: --chat-template is for language models, and the model is for ${opened.kind}.`);
  }
  const { kind, task } = opened;
  let isBase = !opened.adapter || settings.startsAsBase;
  const attach = () => {
    opened.attach();
    isBase = !opened.adapter;
  };
  const withBase = async <T>(body: (model: TaskModel) => Promise<T>): Promise<T> => {
    if (isBase) return body(opened.model);
    const base = { ...found, adapter: undefined, adapterFolder: undefined };
    const own = { merge: false, pooling: undefined, settings: undefined, task: { kind, task } };
    const { model } = await open(base, { ...held, baseDtype: baseDtypeFor(found.adapter, held.baseDtype), ...own });
    try {
      return await body(model);
    } finally {
      model.dispose();
    }
  };
  const template = chatTemplate ?? trainedTemplate(found);
  try {
    const tokenizer = await loadTokenizer(opened.folder, { chatTemplate: template });
    await noteAdapterTokenizer(found, tokenizer, task);
    return { ...opened, tokenizer, attach, withBase };
  } catch (error) {
    opened.model.dispose();
    throw error;
  }
}

/** Refuses a head whose weights are in no file, since its predictions would be random. An update or a bias alone does not make them known. */
export function refuseUntrainedHead({ initialized }: LoadedModel, adapter: SavedAdapter | undefined): void {
  const untrained = initialized.filter((path) => !adapter?.tensors.has(`${path}.weight`));
  if (untrained.length === 0) return;
  throw new BidoraError(
    "HEAD",
    `Neither the model nor the adapter has weights for ${untrained.join(", ")}: it was not fine-tuned for this task.`,
  );
}
