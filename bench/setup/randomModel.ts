import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { promisify } from "node:util";
import { peerScript } from "../programs.js";

/** Models whose sizes are used, with their number of layers. */
export const RANDOM_MODELS = { roberta: 12, smollm2: 30, gpt2: 12, llama: 16, tinyllama: 22 } as const;

export type RandomModel = keyof typeof RANDOM_MODELS;

/** Writes a model with random weights and no dropout into `folder` unless it exists; returns the folder. */
export async function randomModel(
  python: string,
  folder: string,
  name: RandomModel = "roberta",
  layers: number = RANDOM_MODELS[name],
): Promise<string> {
  if (existsSync(folder)) return folder;
  const { command, args } = peerScript(python, "make_checkpoint.py", [folder, name, String(layers)]);
  await promisify(execFile)(command, [...args]);
  return folder;
}
