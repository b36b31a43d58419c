// bidora.json, which bidora writes next to an adapter or a whole model that it trained.
import { existsSync } from "node:fs";
import { join } from "node:path";
import * as z from "zod";
import { BidoraError, firstFault, PHASES, type Phase, type Schema } from "../../base/index.js";
import {
  ADAPTER_METADATA,
  isJsonObject,
  type JsonObject,
  readJsonObject,
  writeFileAtomic,
} from "../../base/records/index.js";
import { POOLINGS, type Pooling } from "../../formats/index.js";
import { INIT_LORA_WEIGHTS } from "./lowRankConfig.js";

/** The tokens of a language model's row that count in the loss. */
export const TRAIN_ON = ["completion", "all", "assistant"] as const;

const FORMAT = 1;

/** The content of `bidora.json`. A method's own facts are further keys. */
export interface StoredMetadata extends Use {
  /** Increased when older readers would misread the file. */
  readonly formatVersion: typeof FORMAT;
  /** The quantization format in which the run packed the base's matrices, if it did. */
  readonly baseDtype?: string | undefined;
  /** How many of the base's matrices the run held in each format, those that are not packed as `dense`. */
  readonly baseFormats?: Readonly<Record<string, number>> | undefined;
  /** How the low-rank updates started, if not at zero. */
  readonly initLoraWeights?: (typeof INIT_LORA_WEIGHTS)[number] | undefined;
  /** The run's last phase. */
  readonly phase?: Phase | undefined;
  /** The search of a run with two levels. */
  readonly search?:
    | {
        /** Completed steps. */
        readonly steps: number;
        readonly retrainSteps: number;
        /** As xi, missing where the hypergradient has a formula of its own, as for `decay`. */
        readonly hypergradient?: string | undefined;
        readonly xi?: string | number | undefined;
        /** Means over each tenth of the search. */
        readonly loss: readonly number[];
        readonly upperLoss: readonly number[];
      }
    | undefined;
  /** What an upper level trained; the values of what is no tensor of the model, by name. */
  readonly upper?:
    | { readonly group: string; readonly values?: Readonly<Record<string, number>> | undefined }
    | undefined;
  /** The adapter's settings as in adapter_config.json, if PEFT can't hold such an adapter. */
  readonly adapterConfig?: JsonObject | undefined;
}

/** A loss and its settings, by their names in a run. */
export type LossFacts = Readonly<Record<string, string | number | readonly number[]>>;

/** How a model is used: what its outputs mean, and how rows were made into its inputs. */
interface Use {
  /** The run's method. */
  readonly method: string;
  readonly task?: string | undefined;
  readonly labels?: readonly string[] | undefined;
  /** The one answer that the labels of the training rows suggest for every row, such as the most frequent label. */
  readonly majority?: string | number | readonly string[] | undefined;
  /** The label of two that precision, recall and F1 are of. */
  readonly positiveLabel?: string | undefined;
  readonly textColumns?: readonly string[] | undefined;
  readonly labelColumns?: readonly string[] | undefined;
  readonly maxLength?: number | undefined;
  readonly trainOn?: (typeof TRAIN_ON)[number] | undefined;
  /** Whether the chat template beside the adapter is the one that it was trained with, instead of the base model's. */
  readonly chatTemplate?: boolean | undefined;
  /** How token states become an embedding. */
  readonly pooling?: Pooling | undefined;
  /** Whether embeddings were evaluated on pairs with a score. */
  readonly isScored?: boolean | undefined;
  /** The loss that it was trained with. */
  readonly loss?: LossFacts | undefined;
  readonly baseModel?: string | undefined;
  readonly revision?: string | undefined;
}

const use = z.object({
  method: z.string(),
  task: z.string().optional(),
  labels: z.array(z.string()).optional(),
  majority: z.union([z.string(), z.number(), z.array(z.string())]).optional(),
  positiveLabel: z.string().optional(),
  textColumns: z.array(z.string()).optional(),
  labelColumns: z.array(z.string()).optional(),
  maxLength: z.int().min(1).optional(),
  trainOn: z.enum(TRAIN_ON).optional(),
  chatTemplate: z.boolean().optional(),
  pooling: z.enum(POOLINGS).optional(),
  isScored: z.boolean().optional(),
  loss: z.record(z.string(), z.union([z.string(), z.number(), z.array(z.number())])).optional(),
  baseModel: z.string().optional(),
  revision: z.string().optional(),
});

const search = z.object({
  steps: z.int(),
  retrainSteps: z.int(),
  hypergradient: z.string().optional(),
  xi: z.union([z.string(), z.number()]).optional(),
  loss: z.array(z.number()),
  upperLoss: z.array(z.number()),
});

// The types are written out, so that the package's types do not need zod's.
const schema = z.object({
  formatVersion: z.literal(FORMAT),
  ...use.shape,
  baseDtype: z.string().optional(),
  baseFormats: z.record(z.string(), z.int().min(1)).optional(),
  initLoraWeights: z.enum(INIT_LORA_WEIGHTS).optional(),
  phase: z.enum(PHASES).optional(),
  search: search.optional(),
  upper: z.object({ group: z.string(), values: z.record(z.string(), z.number()).optional() }).optional(),
  adapterConfig: z.custom<JsonObject>(isJsonObject).optional(),
} satisfies Record<keyof StoredMetadata, z.ZodType>);

/** What a run knows about its result; the format's own fields are added on writing. */
export type AdapterMetadata = Omit<StoredMetadata, "formatVersion" | "adapterConfig">;

/** The metadata in the folder of a model or an adapter; undefined in a folder from elsewhere. */
export function findAdapterMetadata(folder: string): AdapterMetadata | undefined {
  const stored = readAdapterMetadata(folder);
  return stored && metadataOf(stored);
}

export const metadataOf = ({ formatVersion: _, adapterConfig: __, ...facts }: StoredMetadata): AdapterMetadata => facts;

/** The part that says how a model is used. How it was trained is left out, because it does not hold for models derived from it. */
export const inferenceMetadata = (metadata: AdapterMetadata): AdapterMetadata => use.parse(metadata);

/** @throws BidoraError `SIDE_FILE` for a file of another form or a later version, `JSON` for one that can't be read */
export function readAdapterMetadata(folder: string): StoredMetadata | undefined {
  const path = join(folder, ADAPTER_METADATA);
  if (!existsSync(path)) return undefined;
  const json = readJsonObject(path);
  if (typeof json.formatVersion === "number" && json.formatVersion > FORMAT) {
    throw new BidoraError(
      "SIDE_FILE",
      `${path} has format version ${json.formatVersion}, but this version of bidora reads ${FORMAT}: update bidora.`,
    );
  }
  return checkedMetadata(folder, schema.loose(), json);
}

/** Checks keys of a folder's bidora.json. @throws BidoraError `SIDE_FILE` naming the first key that is wrong */
export function checkedMetadata<T>(folder: string, keys: Schema<T>, json: object): T {
  const parsed = keys.safeParse(json);
  if (parsed.success) return parsed.data;
  const { key, what } = firstFault(parsed.error.issues, "the file");
  throw new BidoraError("SIDE_FILE", `${join(folder, ADAPTER_METADATA)} is not valid: ${key}: ${what}.`);
}

export function writeAdapterMetadata(folder: string, metadata: Omit<StoredMetadata, "formatVersion">): void {
  const text = JSON.stringify({ formatVersion: FORMAT, ...metadata }, undefined, 2);
  writeFileAtomic(join(folder, ADAPTER_METADATA), `${text}\n`);
}
