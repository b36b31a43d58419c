// Random language models, and the files that packed weights are read from.
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Context } from "../../context.js";
import { peerScript } from "../../programs.js";
import { type MatrixType, writeRandomGguf } from "../../setup/gguf.js";
import { randomModel } from "../../setup/randomModel.js";

/** Layers of a published model's sizes. */
export interface PackedModel {
  readonly kind: "smollm2" | "tinyllama";
  readonly layers: number;
  readonly name: string;
  /** How many tokens it generates. */
  readonly newTokens: number;
}

/** Token ids that all of the models have. */
export const VOCABULARY = 32000;

const SMALL: PackedModel = { kind: "smollm2", layers: 30, name: "SmolLM2-135M", newTokens: 64 };
/** As many layers as make the weights of each format larger than a last-level cache. */
const LARGE: PackedModel = { kind: "tinyllama", layers: 10, name: "10 layers of TinyLlama-1.1B", newTokens: 32 };
const QUICK: PackedModel = { kind: "smollm2", layers: 6, name: "6 layers of SmolLM2-135M", newTokens: 64 };

export const packedModelsOf = ({ quick }: Context): readonly PackedModel[] => (quick ? [QUICK] : [SMALL, LARGE]);

const fileOf = ({ scratch }: Context, { kind, layers }: PackedModel): string => join(scratch, `${kind}-${layers}`);

/** The folder of a model in bfloat16. */
export function folderOf(context: Context, model: PackedModel): Promise<string> {
  return randomModel(context.python, fileOf(context, model), model.kind, model.layers);
}

/** The types of GGUF files: BF16 and Q8_0 written by bidora, the others by llama.cpp's own quantizer. */
export const GGUF_TYPES = ["BF16", "Q8_0", "Q4_0", "Q4_K_M", "Q6_K"] as const;
export type GgufType = (typeof GGUF_TYPES)[number];

/** A model as a GGUF file. */
export async function ggufOf(context: Context, model: PackedModel, type: GgufType): Promise<string> {
  const file = `${fileOf(context, model)}-${type}.gguf`;
  if (existsSync(file)) return file;
  const folder = await folderOf(context, model);
  const write = (path: string, matrices: MatrixType) => writeRandomGguf(folder, model.kind, path, matrices);
  if (type === "BF16" || type === "Q8_0") {
    write(file, type);
    return file;
  }
  await quantize(context, await ggufOf(context, model, "BF16"), file, type);
  return file;
}

async function quantize({ python, tell }: Context, source: string, target: string, type: GgufType): Promise<void> {
  tell(`  Quantizing a model to ${type}`);
  const { command, args } = peerScript(python, "quantize_gguf.py", [source, target, type]);
  await promisify(execFile)(command, [...args], { maxBuffer: 2 ** 26 });
}

/** The environment of our side: folders that are made for GGUF files go with the run's other files. */
export const ownEnvironment = ({ scratch }: Context) => ({ BIDORA_HOME: join(scratch, "cache") });
