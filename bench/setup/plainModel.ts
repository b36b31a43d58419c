import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { saveSafetensors } from "../../src/formats/safetensors/safetensors.js";
import { architectureOf, buildModel } from "../../src/models/index.js";
import { TASKS } from "../../src/tasks/index.js";
import * as torch from "../../src/torch/index.js";

const BERT = {
  model_type: "bert",
  architectures: ["BertForSequenceClassification"],
  vocab_size: 30522,
  hidden_size: 768,
  num_hidden_layers: 12,
  num_attention_heads: 12,
  intermediate_size: 3072,
  max_position_embeddings: 512,
  type_vocab_size: 2,
  hidden_act: "gelu",
  hidden_dropout_prob: 0,
  attention_probs_dropout_prob: 0,
};

/** Sizes of published models, without dropout; `long` has MiniLM's, and more positions. */
const CONFIGS = {
  bert: BERT,
  long: {
    ...BERT,
    vocab_size: 50265,
    hidden_size: 384,
    num_hidden_layers: 6,
    intermediate_size: 1536,
    max_position_embeddings: 4096,
  },
  gpt2: {
    model_type: "gpt2",
    architectures: ["GPT2LMHeadModel"],
    vocab_size: 50257,
    n_positions: 1024,
    n_embd: 768,
    n_layer: 12,
    n_head: 12,
    embd_pdrop: 0,
    resid_pdrop: 0,
    attn_pdrop: 0,
  },
} as const;

const KINDS = { bert: "sequence-classification", long: "sequence-classification", gpt2: "causal-lm" } as const;

/** Writes a model folder of this size with random weights, without Python; the tokenizer's files are copied. */
export function writePlainModel(
  folder: string,
  name: keyof typeof CONFIGS,
  tokenizer: ReadonlyMap<string, string>,
): string {
  mkdirSync(folder, { recursive: true });
  const config = CONFIGS[name];
  writeFileSync(join(folder, "config.json"), JSON.stringify(config));
  const model = buildModel(architectureOf(config), config, TASKS[KINDS[name]].head, 2);
  const generator = new torch.Generator(0);
  torch.scope(() => {
    const tensors = Array.from(model.namedParameters(), ([path, { storedShape }]) => {
      const isNorm = /(norm|ln_\w)\.weight$/i.test(path);
      const drawn = torch.normal_(torch.empty([...storedShape]), 0, 0.02, { generator });
      return [path, isNorm ? torch.ones([...storedShape]) : drawn] as const;
    });
    saveSafetensors(join(folder, "model.safetensors"), tensors);
  });
  for (const [target, source] of tokenizer) copyFileSync(source, join(folder, target));
  return folder;
}
