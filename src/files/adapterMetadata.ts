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

const schema = z.object({
  /** Raised when older readers would misread the file. */
  formatVersion: z.literal(FORMAT),
  /** The run's method. */
  method: z.string(),
  /** How the adapter is used: what its outputs mean, and how rows were made into its inputs. */
  task: z.string().optional(),
  labels: z.array(z.string()).optional(),
  textColumns: z.array(z.string()).optional(),
  labelColumns: z.array(z.string()).optional(),
  maxLength: z.int().min(1).optional(),
  trainOn: z.enum(TRAIN_ON).optional(),
  baseModel: z.string().optional(),
  revision: z.string().optional(),
  /** What the run went through. */
  phase: z.enum(PHASES).optional(),
  search: z
    .object({
      /** Taken so far. */
      steps: z.int(),
      retrainSteps: z.int(),
      hypergradient: z.string(),
      xi: z.union([z.string(), z.number()]),
      /** Means over each tenth of the search. */
      loss: z.array(z.number()),
      upperLoss: z.array(z.number()),
    })
    .optional(),
  /** The adapter's settings as in adapter_config.json, where PEFT can't hold such an adapter. */
  adapterConfig: z.custom<JsonObject>(isJsonObject).optional(),
});

const useKeys = schema.pick({
  method: true,
  task: true,
  labels: true,
  textColumns: true,
  labelColumns: true,
  maxLength: true,
  trainOn: true,
  baseModel: true,
  revision: true,
});

/** What this program keeps beside an adapter, or beside a whole model that it trained. A method's own facts are further keys. */
export type SideFile = z.infer<typeof schema>;

/** What a run knows; the format's own fields are added on writing. */
export type SideFacts = Omit<SideFile, "formatVersion" | "adapterConfig">;

/** What this program keeps beside a model's or an adapter's weights; undefined in a folder from elsewhere. */
export function sideFactsOf(folder: string): SideFacts | undefined {
  if (!existsSync(join(folder, ADAPTER_METADATA))) return undefined;
  return factsOf(readSideFile(folder));
}

export function factsOf({ formatVersion: _version, adapterConfig: _config, ...facts }: SideFile): SideFacts {
  return facts;
}

/** Of what is kept, how a model is used: how it was trained does not describe what is made of it. */
export const useOnly = (side: SideFacts): SideFacts => useKeys.parse(side);

/** @throws BidoraError `SIDE_FILE` for a file of another form or a later version, `JSON` for none that can be read */
export function readSideFile(folder: string): SideFile {
  const path = join(folder, ADAPTER_METADATA);
  const json = readJsonObject(path);
  if (typeof json.formatVersion === "number" && json.formatVersion > FORMAT) {
    throw new BidoraError(
      "SIDE_FILE",
      `${path} has format version ${json.formatVersion}, this program knows ${FORMAT}: update it.`,
    );
  }
  return checkedSide(path, schema.loose(), json);
}

/** @throws BidoraError `SIDE_FILE` for keys that are not as they must be */
export function checkedSide<T>(path: string, keys: z.ZodType<T>, json: object): T {
  const parsed = keys.safeParse(json);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new BidoraError("SIDE_FILE", `${path} is not in order: ${issue?.path.join(".")}: ${issue?.message}.`);
}

export function writeSideFile(folder: string, facts: Omit<SideFile, "formatVersion">): void {
  const text = JSON.stringify({ formatVersion: FORMAT, ...facts }, undefined, 2);
  writeFileAtomic(join(folder, ADAPTER_METADATA), `${text}\n`);
}
