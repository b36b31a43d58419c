// Models whose tables of tokens are so large that they are mapped from the file.
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { openSafetensors, saveSafetensors } from "../../src/formats/safetensors/safetensors.js";
import * as torch from "../../src/torch/index.js";
import { freshPath } from "../support/workFolder.js";

const WEIGHTS = "model.safetensors";
const VOCABULARY = 2048;

/** A copy of a model whose tables of tokens repeat their rows. */
export function withLargeTables(model: string): string {
  const folder = freshPath("model");
  cpSync(model, folder, { recursive: true });
  const { vocab_size: before, ...config } = JSON.parse(readFileSync(join(folder, "config.json"), "utf8")) as {
    vocab_size: number;
  };
  writeFileSync(join(folder, "config.json"), JSON.stringify({ ...config, vocab_size: VOCABULARY }));
  const file = openSafetensors(join(folder, WEIGHTS));
  const indices = Array.from({ length: VOCABULARY }, (_, i) => i % before);
  torch.scope(() => {
    const index = torch.tensor(indices, [VOCABULARY], "int64");
    const grown = file.names.map((name) => {
      const tensor = file.readTensor(name);
      return [name, tensor.shape[0] === before ? torch.indexSelect(tensor, 0, index) : tensor] as const;
    });
    saveSafetensors(join(folder, WEIGHTS), grown, file.metadata);
  });
  file.close();
  return folder;
}
