// bidora.json, which bidora writes next to an adapter or a whole model that it trained.
import { existsSync } from "node:fs";
import { join } from "node:path";
import * as z from "zod";
import { BidoraError } from "../common/errors.js";
import { PHASES } from "../common/run.js";
import { writeFileAtomic } from "./atomic.js";
import { isJsonObject, type JsonObject, readJsonObject } from "./json.js";
import { ADAPTER_METADATA } from "./names.js";

/** The tokens of a language model's row that count in the loss. */
export const TRAIN_ON = ["completion", "all", "assistant"] as const;

const FORMAT = 1;

/** How a model is used: what its outputs mean, and how rows were made into its inputs. */
const use = z.object({
  /** The run's method. */
  method: z.string(),
  task: z.string().optional(),
  labels: z.array(z.string()).optional(),
  textColumns: z.array(z.string()).optional(),
  labelColumns: z.array(z.string()).optional(),
  maxLength: z.int().min(1).optional(),
  trainOn: z.enum(TRAIN_ON).optional(),
  baseModel: z.string().optional(),
  revision: z.string().optional(),
});

const schema = z.object({
  /** Increased when older readers would misread the file. */
  formatVersion: z.literal(FORMAT),
  ...use.shape,
  /** The run's last phase. */
  phase: z.enum(PHASES).optional(),
  search: z
    .object({
      /** Completed steps. */
      steps: z.int(),
      retrainSteps: z.int(),
      hypergradient: z.string(),
      xi: z.union([z.string(), z.number()]),
      /** Means over each tenth of the search. */
      loss: z.array(z.number()),
      upperLoss: z.array(z.number()),
    })
    .optional(),
  /** The adapter's settings as in adapter_config.json, if PEFT can't hold such an adapter. */
  adapterConfig: z.custom<JsonObject>(isJsonObject).optional(),
});

/** The content of `bidora.json`. A method's own facts are further keys. */
export type StoredMetadata = z.infer<typeof schema>;

/** What a run knows about its result; the format's own fields are added on writing. */
export type AdapterMetadata = Omit<StoredMetadata, "formatVersion" | "adapterConfig">;

/** The metadata in the folder of a model or an adapter; undefined in a folder from elsewhere. */
export function findAdapterMetadata(folder: string): AdapterMetadata | undefined {
  if (!existsSync(join(folder, ADAPTER_METADATA))) return undefined;
  return metadataOf(readAdapterMetadata(folder));
}

export function metadataOf({
  formatVersion: _version,
  adapterConfig: _config,
  ...facts
}: StoredMetadata): AdapterMetadata {
  return facts;
}

/** The part that says how a model is used. How it was trained is left out, because it does not hold for models derived from it. */
export const inferenceMetadata = (metadata: AdapterMetadata): AdapterMetadata => use.parse(metadata);

/** @throws BidoraError `SIDE_FILE` for a file of another form or a later version, `JSON` for one that can't be read */
export function readAdapterMetadata(folder: string): StoredMetadata {
  const path = join(folder, ADAPTER_METADATA);
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
export function checkedMetadata<T>(folder: string, keys: z.ZodType<T>, json: object): T {
  const parsed = keys.safeParse(json);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new BidoraError(
    "SIDE_FILE",
    `${join(folder, ADAPTER_METADATA)} is not valid: ${issue?.path.join(".")}: ${issue?.message}.`,
  );
}

export function writeAdapterMetadata(folder: string, metadata: Omit<StoredMetadata, "formatVersion">): void {
  const text = JSON.stringify({ formatVersion: FORMAT, ...metadata }, undefined, 2);
  writeFileAtomic(join(folder, ADAPTER_METADATA), `${text}\n`);
}
