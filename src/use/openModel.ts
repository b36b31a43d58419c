import { existsSync } from "node:fs";
import {
  type AdaptedModel,
  attachAdapter,
  type InjectedConfig,
  readAdapter,
  type SavedAdapter,
  type SideFacts,
  sideFactsOf,
} from "../adapters/index.js";
import { BidoraError } from "../common/errors.js";
import { readConfig } from "../io/checkpoint.js";
import type { HubOptions } from "../io/hub/snapshot.js";
import type { JsonObject } from "../io/json.js";
import { resolveModel } from "../io/resolveModel.js";
import { architectureOf, type Head, inferHead, type LoadedModel, loadModel } from "../models/index.js";
import { loadTokenizer, type Tokenizer } from "../text/index.js";
import { type DType, Generator } from "../torch/index.js";

export interface OpenOptions {
  readonly model?: string | undefined;
  readonly revision?: string | undefined;
  readonly adapter?: string | undefined;
  /** The kind of head; by default the adapter's or the checkpoint's. */
  readonly kind?: Head["kind"] | undefined;
  readonly dtype: DType;
  readonly hub?: HubOptions;
}

/** A model with its adapter, if there is one. */
export interface ModelWithAdapter extends LoadedModel {
  readonly folder: string;
  readonly checkpointConfig: JsonObject;
  readonly adapter: SavedAdapter | undefined;
  /** The adapter in the model's layers. */
  readonly adapted: AdaptedModel<InjectedConfig> | undefined;
  readonly head: Head;
  /** How the model is used, as this program keeps it beside what it trained. */
  readonly side: SideFacts | undefined;
}

/** The same, ready for texts. */
export interface OpenModel extends ModelWithAdapter {
  readonly tokenizer: Tokenizer;
}

/**
 * Loads a base model and its adapter for use. The head follows from the adapter, else from the checkpoint.
 * @throws BidoraError `HEAD` when neither has one
 */
export async function openModel(options: OpenOptions): Promise<OpenModel> {
  const opened = await openWithAdapter(options);
  return { ...opened, tokenizer: await loadTokenizer(opened.folder) };
}

/** As `openModel`, without a tokenizer. */
export async function openWithAdapter(options: OpenOptions): Promise<ModelWithAdapter> {
  const adapter =
    options.adapter === undefined ? undefined : await readAdapter(await resolveModel(options.adapter, options.hub));
  const folder = await baseFolder(options, adapter);
  const checkpointConfig = readConfig(folder);
  architectureOf(checkpointConfig);
  const head = headOf(checkpointConfig, adapter, options.kind);
  const generator = new Generator(0);
  const loaded = await loadModel(folder, { head, dtype: options.dtype, generator });
  refuseDrawnHead(loaded, adapter);
  const dtype = options.dtype === "float64" ? "float64" : "float32";
  const adapted = adapter && attachAdapter(loaded.model, adapter, { generator, dtype });
  const side = adapter ? adapter.side : sideFactsOf(folder);
  return { ...loaded, folder, checkpointConfig, adapter, adapted, head, side };
}

/** The base model's folder: `--model`, else what the adapter says it was made for. */
export async function baseFolder(
  options: Pick<OpenOptions, "model" | "revision" | "hub">,
  adapter: SavedAdapter | undefined,
): Promise<string> {
  const name = options.model ?? adapter?.baseModel;
  if (name === undefined)
    throw new BidoraError("MODEL_MISSING", "--model is missing, and the adapter does not name its base model.");
  const own = options.model === undefined && !existsSync(name) ? adapter?.revision : undefined;
  const revision = options.revision ?? own;
  return resolveModel(name, { ...options.hub, ...(revision === undefined ? {} : { revision }) });
}

/** The head that a model is used with: kind and labels. */
export function headOf(config: JsonObject, adapter: SavedAdapter | undefined, kind: Head["kind"] | undefined): Head {
  const own = inferHead(config);
  if (!adapter) {
    if (own && (kind === undefined || kind === own.kind)) return own;
    const wanted = kind ?? "classification";
    throw new BidoraError(
      "HEAD",
      `The model has no trained head for ${wanted}: give --adapter, or a model that was fine-tuned for it.`,
    );
  }
  const count = headSize(adapter);
  const decided = kind ?? adapter.side?.task ?? kindOf(adapter, own, count);
  if (decided === "causal-lm")
    throw new BidoraError("HEAD", "The adapter is for a causal language model, which this version does not use.");
  checkKind(adapter, decided);
  const fits = own?.kind === decided && (count === undefined || own.labels.length === count);
  if (count === undefined && !fits)
    throw new BidoraError("HEAD", `Neither the model nor the adapter has a trained head for ${decided}.`);
  const labels = adapter.side?.labels ?? (fits ? own.labels : standIns(count ?? own?.labels.length ?? 0));
  return { kind: decided, labels: decided === "regression" ? labels.slice(0, 1) : labels };
}

const standIns = (count: number): string[] => Array.from({ length: count }, (_, id) => `LABEL_${id}`);

/** @throws BidoraError `HEAD` for an adapter that says itself that it is for another kind of task */
function checkKind({ side, taskType }: SavedAdapter, kind: Head["kind"]): void {
  const isForWords = kind === "token-classification";
  const own = side?.task ?? (isForWords ? taskType === "SEQ_CLS" && taskType : taskType === "TOKEN_CLS" && taskType);
  if (!own || own === kind) return;
  throw new BidoraError("HEAD", `The adapter's head is for ${own}, not for ${kind}: name that --task, or none.`);
}

function kindOf(adapter: SavedAdapter, own: Head | undefined, outputs: number | undefined): Head["kind"] {
  if (adapter.taskType === "TOKEN_CLS") return "token-classification";
  const isLikeOwn = outputs === undefined || own?.labels.length === outputs;
  if (own && isLikeOwn && (own.kind !== "token-classification" || adapter.taskType === undefined)) return own.kind;
  return outputs === 1 ? "regression" : "sequence-classification";
}

/** Outputs of the head that the adapter brings, or undefined when it brings none. */
function headSize({ tensors }: SavedAdapter): number | undefined {
  for (const name of ["classifier.weight", "classifier.out_proj.weight", "score.weight"]) {
    const weight = tensors.get(name);
    if (weight) return weight.shape[0];
  }
  return undefined;
}

/** A head that nothing has trained gives random answers: say so in place of them. */
function refuseDrawnHead({ drawn }: LoadedModel, adapter: SavedAdapter | undefined): void {
  const untrained = drawn.filter(
    (path) => !adapter || ![...adapter.tensors.keys()].some((name) => name.startsWith(`${path}.`)),
  );
  if (untrained.length === 0) return;
  throw new BidoraError(
    "HEAD",
    `Neither the model nor the adapter has weights for ${untrained.join(", ")}: it was not fine-tuned for this task.`,
  );
}
