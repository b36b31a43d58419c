import { existsSync } from "node:fs";
import { join } from "node:path";
import { ADAPTER_CONFIG, BidoraError } from "../../../base/index.js";
import { type JsonObject, readOptionalJsonObject } from "../../../base/records/index.js";
import { GGUF_FILE } from "../../../formats/gguf/index.js";
import { isSentenceTransformer, readConfig, resolveModel } from "../../../formats/index.js";
import { type AdapterConfig, checkFit, readAdapter, type SavedAdapter } from "../../../models/adapters/index.js";
import { ARCHITECTURES, architectureOf, classNameOf, emptyModel } from "../../../models/index.js";
import { inferTask, isTaskKind, resolveHead, TASK_ENTRIES, TASKS, type Task } from "../../../tasks/index.js";
import type { AdapterInspection, AdapterSettings, Inspection, ModelInspection } from "../inspection.js";
import { isReranker } from "../open.js";

/** What engines judge: a model, or an adapter with its base model. */
export interface Subject {
  /** The path or repository as the user named it. */
  readonly name: string;
  readonly folder: string;
  /** `model_type` of the model or the base model; undefined if it is not known. */
  readonly modelType: string | undefined;
  /** Whether bidora has the model's family; true if it is not known. */
  readonly isSupported: boolean;
  /** transformers' class of the model, or of the base model with the adapter's head; undefined if it is not known. */
  readonly className: string | undefined;
  /** The task; undefined without a trained head, or if it is not known. */
  readonly task: Task | undefined;
  readonly whyUnknown: string | undefined;
  /** The number of labels; undefined if it is not known. */
  readonly labels: number | undefined;
  /** Why the adapter does not fit the base model; undefined if it does, or if that is not known. */
  readonly misfit: string | undefined;
  readonly isGguf: boolean;
  /** Whether its file has matrices that bitsandbytes packed. */
  readonly isPacked: boolean;
  /** Undefined for a model. */
  readonly adapter: AdapterSubject | undefined;
}

export interface AdapterSubject {
  readonly settings: AdapterSettings;
  readonly config: AdapterConfig;
  /** Its adapter_config.json; empty without one. */
  readonly json: JsonObject;
  /** Whether it was trained with a chat template of its own. */
  readonly hasTemplate: boolean;
  /** The names of its tensors in the file. */
  readonly tensors: readonly string[];
  /** The base model's name, if the user or the adapter gives one. */
  readonly base: string | undefined;
  /** The base model as the user gave it, if the adapter does not name it or names another. */
  readonly givenBase: string | undefined;
  /** The base model's configuration, if it is on this machine. */
  readonly baseConfig: JsonObject | undefined;
}

/**
 * @param name of the folder, as the user gave it
 * @param model the adapter's base model, if the user names it
 * @throws BidoraError for an adapter that can't be read, and for a base model that the user names and that is not on this machine
 */
export async function subjectOf(found: Inspection, name: string, model: string | undefined): Promise<Subject> {
  return found.kind === "model" ? modelSubject(found, name) : adapterSubject(found, name, model);
}

function modelSubject(
  { path: folder, modelType, architectures, head, tensors }: ModelInspection,
  name: string,
): Subject {
  const [className] = architectures;
  const isGguf = existsSync(join(folder, GGUF_FILE));
  return {
    name,
    folder,
    modelType: modelType ?? undefined,
    isSupported: modelType === null || Object.hasOwn(ARCHITECTURES, modelType),
    className,
    task: head ? TASKS[head.kind] : isSentenceTransformer(folder) ? TASKS.embedding : undefined,
    whyUnknown: modelType === null ? "its config.json has no model_type" : undefined,
    labels: head?.labels.length,
    misfit: undefined,
    isGguf,
    isPacked: !isGguf && tensors.some(({ storedAs }) => storedAs !== undefined),
    adapter: undefined,
  };
}

async function adapterSubject(inspected: AdapterInspection, name: string, model: string | undefined): Promise<Subject> {
  const { path: folder, tensors } = inspected;
  const settings = inspected.settings!;
  const saved = await readAdapter(folder);
  const { config } = saved;
  const base = model ?? settings.baseModel ?? undefined;
  const found = base === undefined ? undefined : await baseOnMachine(base, model !== undefined);
  const baseConfig = found?.config;
  const ranks = found && settings.task === TASKS.reranking.peftTaskType && isReranker(found.folder);
  const task = ranks ? TASKS.reranking : taskOf(settings, baseConfig);
  const json = readOptionalJsonObject(join(folder, ADAPTER_CONFIG));
  const { model_type: modelType } = baseConfig ?? {};
  const misfit = found && misfitOf(saved, found);
  for (const tensor of saved.tensors.values()) tensor.dispose();
  return {
    name,
    folder,
    modelType: typeof modelType === "string" ? modelType : undefined,
    isSupported: typeof modelType !== "string" || Object.hasOwn(ARCHITECTURES, modelType),
    className: task && baseConfig && readable(() => classNameOf(architectureOf(baseConfig), task.head)),
    task,
    whyUnknown: whyUnknown(base, baseConfig, task),
    labels: settings.labels?.length,
    misfit,
    isGguf: false,
    isPacked: false,
    adapter: {
      ...{ settings, config, json, base, givenBase: model, baseConfig },
      hasTemplate: saved.metadata?.chatTemplate === true,
      tensors: tensors.map(({ name }) => name),
    },
  };
}

function whyUnknown(base: string | undefined, config: JsonObject | undefined, task: Task | undefined) {
  if (base === undefined) return "the adapter does not name its base model: give --model";
  if (config === undefined) return `its base model ${base} is not on this machine: give --model FOLDER, or download it`;
  return task ? undefined : "the task that it was trained for is not known";
}

interface FoundBase {
  readonly folder: string;
  readonly config: JsonObject;
}

/** A model that is here already; nothing is downloaded. @param isRequired whether to throw if it is not */
async function baseOnMachine(name: string, isRequired: boolean): Promise<FoundBase | undefined> {
  try {
    const folder = await resolveModel(name, { offline: true });
    return { folder, config: readConfig(folder) };
  } catch (error) {
    if (isRequired || !(error instanceof BidoraError)) throw error;
    return undefined;
  }
}

/** Codes of errors that say that an adapter is for another model. */
const MISFITS: ReadonlySet<string> = new Set(["ADAPTER_MISFIT", "TARGET", "PATTERN"]);

/** Why names or shapes of an adapter's tensors do not fit a base model. Only headers of its weights are read. */
function misfitOf(adapter: SavedAdapter, { folder, config }: FoundBase): string | undefined {
  try {
    const saved = { adapter, metadata: adapter.metadata };
    const { task, labels } = resolveHead(architectureOf(config), config, saved, undefined);
    const model = emptyModel(folder, { head: task.head, outputs: labels.length, dtype: "float32" });
    try {
      checkFit(model, adapter);
    } finally {
      model.dispose();
    }
    return undefined;
  } catch (error) {
    if (!(error instanceof BidoraError)) throw error;
    return MISFITS.has(error.code) ? error.message : undefined;
  }
}

/** The task in the adapter's metadata, else the base model's or the first one with PEFT's `task_type`. */
function taskOf({ task: name }: AdapterSettings, baseConfig: JsonObject | undefined): Task | undefined {
  if (name !== null && isTaskKind(name)) return TASKS[name];
  const possible = TASK_ENTRIES.filter(([, { peftTaskType }]) => peftTaskType === name);
  const own = baseConfig && readable(() => inferTask(baseConfig)?.kind);
  return (possible.find(([kind]) => kind === own) ?? possible[0])?.[1];
}

/** What `read` finds; undefined if it refuses the files. */
function readable<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof BidoraError) return undefined;
    throw error;
  }
}
