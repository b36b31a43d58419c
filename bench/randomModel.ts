import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { peerScript } from "./programs.js";

/** Writes a base-size RoBERTa with random weights and no dropout into `folder`, which it returns. */
export async function randomModel(python: string, folder: string, layers = 12): Promise<string> {
  const { command, args } = peerScript(python, "make_checkpoint.py", [folder, String(layers)]);
  await promisify(execFile)(command, [...args]);
  return folder;
}
