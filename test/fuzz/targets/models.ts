// Folders of models and adapters: configurations, tokenizers, poolings, and odd things in place of their files.
import { cpSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { readCrossEncoderFormat } from "../../../src/formats/crossEncoder.js";
import { readEmbeddingFormat } from "../../../src/formats/sentenceTransformers.js";
import { loadTokenizer } from "../../../src/text/index.js";
import { inspectFolder } from "../../../src/use/inference/inspection.js";
import { Model } from "../../../src/use/inference/model.js";
import { findModel, openForInference } from "../../../src/use/inference/open.js";
import { GOLDEN, goldenFolders, placedFolder, workFolder } from "../files.js";
import { mutatedFolder, mutatedJsonText, mutatedText } from "../mutations.js";
import { target } from "../target.js";

const isJson = (path: string): boolean => path.endsWith(".json") && !path.endsWith("tokenizer.json");

/** Opens a model and uses it. */
async function use(model: string, adapter?: string): Promise<void> {
  const found = await findModel({ model, adapter });
  const opened = await openForInference(found, { dtype: "float32" }, undefined);
  const used = new Model(opened);
  try {
    if (used.task === "causal-lm") await used.generate("a b", { maxNewTokens: 4 });
    else if (used.task === "embedding") await used.predict(["a b", "c"]);
    else await used.predict([{ tokens: ["a", "b"], text: "a b", question: "a", context: "b" }]);
  } finally {
    used.dispose();
  }
}

const FAMILIES = [
  ...[
    "bert/single",
    "bert/tokens",
    "roberta/single",
    "distilbert/single",
    "electra/single",
    "deberta-v2/single",
    "esm/single",
  ],
  ...["modernbert/single", "mpnet/single", "camembert/tokens", "xlm-roberta/single"],
  ...["gpt2/lm", "llama/lm", "qwen2/lm", "qwen3/lm", "gemma3_text/lm", "mistral/lm", "phi3/lm", "smollm3/lm"],
];

const configs = target({
  name: "config.json",
  inTests: 3,
  inputs: mutatedFolder(goldenFolders(...FAMILIES), (path, content) =>
    path === "config.json" || path === "generation_config.json" ? mutatedJsonText([content]) : undefined,
  ),
  async run(input) {
    const folder = placedFolder(input);
    await inspectFolder(folder);
    await use(folder);
  },
});

const TOKENIZERS = ["bert-uncased-fast", "roberta-fast", "gpt2-start", "llama", "llama-legacy", "unigram"].map(
  (name) => `text/${name}`,
);

const useTokenizer = async (folder: string): Promise<void> => {
  const tokenizer = await loadTokenizer(folder);
  const { inputIds } = await tokenizer.encode(["a b Ωé 12"], { maxLength: 8 });
  await tokenizer.decode(inputIds);
};

/** Each input starts a process that tries the tokenizer. */
const tokenizers = target({
  name: "tokenizer.json",
  inTests: 2,
  inputs: mutatedFolder(goldenFolders(...TOKENIZERS), (path, content) =>
    path === "tokenizer.json" ? mutatedJsonText([content]) : undefined,
  ),
  run: (input) => useTokenizer(placedFolder(input)),
});

const tokenizerConfigs = target({
  name: "tokenizer_config.json",
  inTests: 2,
  inputs: mutatedFolder(
    goldenFolders(...TOKENIZERS, "text/bert-uncased", "text/roberta", "text/gpt2", "text/esm"),
    (path, content) => {
      if (path === "tokenizer.json") return undefined;
      return path.endsWith(".json") ? mutatedJsonText([content]) : mutatedText([content]);
    },
  ),
  run: (input) => useTokenizer(placedFolder(input)),
});

const ADAPTERS = [
  ...["lora", "dora", "adalora", "vera", "ia3", "lora-embedding", "lora-b-bias", "rslora-patterns", "lora-layers"].map(
    (name) => `bert/adapters/${name}`,
  ),
  ...["miss", "miss-mini", "delora", "hira", "hira-embedding"].map((name) => `rivals/bert/${name}`),
  "oft/adapters/oft-embedding",
  "prediag/adapters/prediag",
  "earlier/finished",
];

const adapters = target({
  name: "adapter",
  inTests: 4,
  inputs: mutatedFolder(goldenFolders(...ADAPTERS), (path, content) => {
    if (path.includes("/")) return undefined;
    if (path === "adapter_config.json" || path === "bidora.json") return mutatedJsonText([content]);
    return path === "adapter_model.safetensors" ? mutatedText([content], 0.05) : undefined;
  }),
  async run(input) {
    const folder = placedFolder(input);
    await inspectFolder(folder);
    await use(join(GOLDEN, "bert/single"), folder);
  },
});

const embedders = target({
  name: "modules.json",
  inTests: 3,
  inputs: mutatedFolder(
    goldenFolders(
      "embeddings/bert-cls-prompt",
      "embeddings/bert-mean",
      "embeddings/roberta-cls",
      "embeddings/gpt2-last",
    ),
    (path, content) => (isJson(path) && path !== "config.json" ? mutatedJsonText([content]) : undefined),
  ),
  async run(input) {
    const folder = placedFolder(input);
    readEmbeddingFormat(folder);
    await inspectFolder(folder);
    await use(folder);
  },
});

const rerankers = target({
  name: "CrossEncoder",
  inTests: 3,
  inputs: mutatedFolder(goldenFolders("reranking/bert-6", "reranking/roberta-4"), (path, content) =>
    isJson(path) ? mutatedJsonText([content]) : undefined,
  ),
  async run(input) {
    const folder = placedFolder(input);
    readCrossEncoderFormat(folder);
    await inspectFolder(folder);
    await use(folder);
  },
});

/** What can be in place of a file. */
const ODDITIES = ["nothing", "empty", "folder", "itself", "dangling", "zeros", "device", "outside", "binary"] as const;

function replaceBy(path: string, oddity: (typeof ODDITIES)[number]): void {
  rmSync(path, { recursive: true, force: true });
  if (oddity === "empty") writeFileSync(path, "");
  if (oddity === "folder") mkdirSync(join(path, "folder"), { recursive: true });
  if (oddity === "itself") symlinkSync(path, path);
  if (oddity === "dangling") symlinkSync("/nowhere/at/all", path);
  if (oddity === "zeros") writeFileSync(path, Buffer.alloc(4096));
  if (oddity === "device") symlinkSync("/dev/zero", path);
  if (oddity === "outside") symlinkSync("/etc/hostname", path);
  if (oddity === "binary") writeFileSync(path, Buffer.from(Array.from({ length: 999 }, (_, i) => (i * 37) % 256)));
}

const FOLDERS = [
  "bert/single",
  "bert/sharded",
  "llama/lm",
  "embeddings/bert-mean",
  "bert/adapters/lora",
  "text/roberta",
] as const;

const NAMES = [
  ...[
    "config.json",
    "model.safetensors",
    "model.safetensors.index.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "generation_config.json",
  ],
  ...[
    "modules.json",
    "1_Pooling",
    "adapter_config.json",
    "adapter_model.safetensors",
    "bidora.json",
    "README.md",
    "LICENSE",
    "vocab.json",
  ],
  ...[
    "merges.txt",
    "vocab.txt",
    "special_tokens_map.json",
    "chat_template.jinja",
    "sentence_bert_config.json",
    "model.gguf",
    "x.bin",
  ],
];

const oddFolders = target({
  name: "odd files",
  inTests: 3,
  inputs: fc.record({
    base: fc.constantFrom(...FOLDERS),
    changes: fc.array(fc.record({ name: fc.constantFrom(...NAMES), oddity: fc.constantFrom(...ODDITIES) }), {
      minLength: 1,
      maxLength: 3,
    }),
  }),
  async run({ base, changes }) {
    const folder = join(workFolder(), "odd");
    rmSync(folder, { recursive: true, force: true });
    cpSync(join(GOLDEN, base), folder, { recursive: true });
    for (const { name, oddity } of changes) replaceBy(join(folder, name), oddity);
    if (base === "text/roberta") return useTokenizer(folder);
    const isAdapter = base === "bert/adapters/lora";
    await inspectFolder(folder);
    return isAdapter ? use(join(GOLDEN, "bert/single"), folder) : use(folder);
  },
});

export const modelTargets = [configs, tokenizers, tokenizerConfigs, adapters, embedders, rerankers, oddFolders];
