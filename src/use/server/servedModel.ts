/** The models that a server has: one base model, alone and with each of its adapters. */
import { existsSync } from "node:fs";
import { basename, resolve } from "node:path";
import { BidoraError, named, UsageError } from "../../base/index.js";
import type { HubContext } from "../../formats/hub/index.js";
import { type Pooling, readConfig } from "../../formats/index.js";
import { type AdapterMetadata, AdapterRoutes, type SavedAdapter } from "../../models/adapters/index.js";
import { architectureOf, matrixFormats } from "../../models/index.js";
import type { BaseDtype } from "../../models/nn/index.js";
import {
  isOfLanguageModel,
  type NamedTask,
  namedTask,
  resolveHead,
  type TaskKind,
  takesChats,
} from "../../tasks/index.js";
import type { ComputeDtype } from "../../torch/index.js";
import { baseDtypeFor, noteOnBase } from "../inference/adapterBase.js";
import { noteOtherTokenizer } from "../inference/adapterTokenizer.js";
import {
  type FoundModel,
  findAdapter,
  findModel,
  type InferenceModel,
  openForInference,
  poolingFor,
  refuseUntrainedHead,
  taskOfModules,
  trainedTemplate,
} from "../inference/open.js";
import { type OpenDraft, openDraft } from "../inference/openDraft.js";

/** Which model to serve, and how it computes. */
export interface ServedSettings {
  readonly model?: string | undefined;
  readonly revision?: string | undefined;
  /** Folders or Hub repositories. */
  readonly adapter?: readonly string[] | undefined;
  readonly dtype: ComputeDtype;
  readonly baseDtype?: BaseDtype | undefined;
  readonly threads?: number | undefined;
  /** Of an embedding model whose folder and adapters name none. */
  readonly pooling?: Pooling | undefined;
  /** A file with a chat template; by default the one that an only adapter was trained with, or the base model's. */
  readonly chatTemplate?: string | undefined;
  /** `ngram`, or a smaller model. */
  readonly draft?: string | undefined;
  readonly draftTokens?: number | undefined;
}

export interface ServedModel {
  readonly base: InferenceModel;
  readonly routes: AdapterRoutes;
  /** Proposes tokens to all of them. */
  readonly draft: OpenDraft | undefined;
  /**
   * The adapter of each model that requests can name, undefined for the base model alone; the base model is the first, if it can be used
   * without an adapter's head.
   */
  readonly adapters: ReadonlyMap<string, string | undefined>;
  /** How to use each model, from bidora.json. */
  readonly metadata: ReadonlyMap<string, AdapterMetadata | undefined>;
}

/** An adapter with the name that requests use. */
interface NamedAdapter {
  readonly name: string;
  readonly given: string;
  readonly folder: string;
  readonly saved: SavedAdapter;
}

/**
 * Opens a base model and its adapters.
 * @throws UsageError for two models of one name, or adapters of different base models if none is given; BidoraError `HEAD` for a model
 *   for a task that is not served, and as `findModel` and `attachAdapter`
 */
export async function openServed(settings: ServedSettings, context: HubContext = {}): Promise<ServedModel> {
  const given = settings.adapter ?? [];
  const adapters = await Promise.all(given.map((one) => findNamed(one, context)));
  try {
    return await withAdapters(adapters, settings, context);
  } finally {
    // The model has copies.
    for (const { saved } of adapters) for (const tensor of saved.tensors.values()) tensor.dispose();
  }
}

async function withAdapters(
  adapters: readonly NamedAdapter[],
  settings: ServedSettings,
  context: HubContext,
): Promise<ServedModel> {
  const { model, revision } = settings;
  const found = await findModel({ model, revision, adapter: adapters[0]?.saved }, context);
  if (model === undefined) refuseOtherBase(adapters);
  const name = nameOf(model ?? (adapters[0]?.saved.baseModel as string));
  refuseSameName(name, adapters);
  const baseDtype = adapters.reduce(
    (asked, { name, saved }) => named(name, () => baseDtypeFor(saved, asked)),
    settings.baseDtype,
  );
  const task = taskFor(found, adapters, settings.pooling);
  for (const { name, saved } of adapters)
    named(name, () => poolingFor(settings.pooling, { ...task, folder: found.folder, metadata: saved.metadata }));
  const chatTemplate = settings.chatTemplate ?? onlyTemplate(adapters);
  const base = await openForInference(
    { folder: found.folder, adapter: undefined, adapterFolder: undefined },
    { ...settings, baseDtype, chatTemplate, headOf: task.kind === "reranking" ? adapters[0]?.saved : undefined },
    task,
  );
  const isNamed = base.initialized.length === 0;
  const formats = matrixFormats(base.model);
  const routes = routesOf(base, adapters);
  const draft = await draftOf(base, settings, context).catch((error) => {
    base.model.dispose();
    routes.dispose();
    throw error;
  });
  for (const adapter of adapters) {
    const source = { source: base.folder, chats: takesChats(base.task) };
    await noteOtherTokenizer({ ...adapter, ...source }, base.tokenizer, context);
    const note = noteOnBase(adapter.saved, formats);
    if (note !== undefined) context.onNote?.(`${adapter.name}: ${note}`);
  }
  return {
    base,
    routes,
    draft,
    adapters: new Map([
      ...(isNamed ? [[name, undefined] as const] : []),
      ...adapters.map(({ name }) => [name, name] as const),
    ]),
    metadata: new Map([[name, base.metadata], ...adapters.map(({ name, saved }) => [name, saved.metadata] as const)]),
  };
}

/** The template that an only adapter was trained with. Several may have several. */
function onlyTemplate([first, ...others]: readonly NamedAdapter[]): string | undefined {
  if (!first || others.length > 0) return undefined;
  return trainedTemplate({ adapter: first.saved, adapterFolder: first.folder });
}

/** Attaches the adapters. The base model is disposed of if one does not fit. */
function routesOf(base: InferenceModel, adapters: readonly NamedAdapter[]): AdapterRoutes {
  const { model } = base;
  try {
    for (const { name, saved } of adapters) named(name, () => refuseUntrainedHead(base, saved));
    return new AdapterRoutes(model, new Map(adapters.map(({ name, saved }) => [name, saved])), "float32");
  } catch (error) {
    model.dispose();
    throw error;
  }
}

/** @throws UsageError for a model without texts */
async function draftOf(
  base: InferenceModel,
  { draft: named, draftTokens }: ServedSettings,
  context: HubContext,
): Promise<OpenDraft | undefined> {
  if (named === undefined) return undefined;
  if (!isOfLanguageModel(base.task))
    throw new UsageError(`No effect: --draft is for language models, and the model is for ${base.kind}; leave it out.`);
  const draft = await openDraft(named, base, context);
  return { ...draft, tokens: draftTokens ?? draft.tokens };
}

/** Releases the tensors of a base model, its adapters and its draft. */
export function disposeServed({ base, routes, draft }: ServedModel): void {
  base.model.dispose();
  routes.dispose();
  draft?.[Symbol.dispose]();
}

async function findNamed(given: string, context: HubContext): Promise<NamedAdapter> {
  const { adapter, adapterFolder } = await findAdapter(given, context);
  return { name: nameOf(given), given, folder: adapterFolder as string, saved: adapter as SavedAdapter };
}

/** The last part of a folder's path or of a repository's name. */
function nameOf(given: string): string {
  return basename(existsSync(given) ? resolve(given) : given);
}

function refuseOtherBase(adapters: readonly NamedAdapter[]): void {
  const [first] = adapters;
  const other = adapters.find(({ saved }) => saved.baseModel !== first?.saved.baseModel);
  if (!first || !other) return;
  throw new UsageError(
    `The adapters ${first.given} and ${other.given} name different base models, ${first.saved.baseModel} and ${other.saved.baseModel}: give --model.`,
  );
}

function refuseSameName(base: string, adapters: readonly NamedAdapter[]): void {
  const seen = new Map([[base, "the base model"]]);
  for (const { name, given } of adapters) {
    const other = seen.get(name);
    if (other !== undefined)
      throw new UsageError(
        `--adapter ${given} and ${other} are both called ${name}, the name by which requests choose a model: rename the folder.`,
      );
    seen.set(name, `--adapter ${given}`);
  }
}

/** The tasks that requests can ask for. */
const SERVED = ["causal-lm", "embedding", "reranking"] as const satisfies readonly TaskKind[];

export type ServedKind = (typeof SERVED)[number];

/** @throws BidoraError `HEAD` for a task whose models are not served */
export function servedKind(kind: string): ServedKind {
  const served = SERVED.find((one) => one === kind);
  if (served !== undefined) return served;
  throw new BidoraError("HEAD", `The model is for ${kind}, and serve is for ${SERVED.join(", ")}: use predict.`);
}

/** The task that all adapters are for, else the checkpoint's. @throws BidoraError `HEAD` for one that is not served */
function taskFor({ folder }: FoundModel, adapters: readonly NamedAdapter[], pooling: Pooling | undefined): NamedTask {
  const config = readConfig(folder);
  const architecture = architectureOf(config);
  const resolved = (one: NamedAdapter | undefined, task?: NamedTask) =>
    resolveHead(architecture, config, { adapter: one?.saved, metadata: one?.saved.metadata }, task);
  const { kind: trained, task: own } = resolved(adapters[0], taskOfModules(folder, pooling, adapters[0]?.saved));
  const kind = isOfLanguageModel(own) ? "causal-lm" : trained;
  const task = namedTask(servedKind(kind));
  for (const adapter of adapters) named(adapter.name, () => resolved(adapter, task));
  return task;
}
