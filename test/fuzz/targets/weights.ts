// Weight files: safetensors, shards with their index, GGUF.
import { join } from "node:path";
import fc from "fast-check";
import { openWeights } from "../../../src/formats/checkpoint.js";
import { openGguf } from "../../../src/formats/gguf/file.js";
import { ggufModelFolder } from "../../../src/formats/gguf/modelFolder.js";
import { openGgufWeights } from "../../../src/formats/gguf/weights.js";
import { openSafetensors } from "../../../src/formats/safetensors/safetensors.js";
import { scope } from "../../../src/torch/index.js";
import { golden, goldenFolders, placed, placedFolder, workFolder } from "../files.js";
import { type Files, mutatedFolder, mutatedJson, mutatedJsonText, mutatedText } from "../mutations.js";
import { target } from "../target.js";

/** Opens weights and reads every tensor. */
function readAll(open: () => { names: readonly string[]; readTensor(name: string): unknown; close(): void }): void {
  const file = open();
  try {
    for (const name of file.names) scope(() => void file.readTensor(name));
  } finally {
    file.close();
  }
}

/** A safetensors file of a header and so many bytes. */
function fileOf(header: string, bytes: number, length = header.length): string {
  const first = Buffer.alloc(8);
  first.writeBigUInt64LE(BigInt(length));
  return first.toString("latin1") + header + "\x01".repeat(bytes);
}

const HEADERS = [
  {
    x: { dtype: "F32", shape: [2, 2], data_offsets: [0, 16] },
    y: { dtype: "BF16", shape: [], data_offsets: [16, 18] },
  },
  {
    __metadata__: { format: "pt" },
    "a.b": { dtype: "BOOL", shape: [3], data_offsets: [0, 3] },
    e: { dtype: "I64", shape: [0], data_offsets: [3, 3] },
  },
];

const safetensors = target({
  name: "safetensors",
  inTests: 40,
  inputs: fc.oneof(
    mutatedText(["io/dtypes.safetensors", "io/names.safetensors"].map(golden), 0.1),
    fc.tuple(mutatedJson(HEADERS), fc.constantFrom(18, 3, 0, 17, 4000)).map(([header, bytes]) => fileOf(header, bytes)),
    fc
      .tuple(fc.constantFrom(...HEADERS), fc.nat(200), fc.integer({ min: 0, max: 2 ** 31 }))
      .map(([header, bytes, length]) => fileOf(JSON.stringify(header), bytes, length)),
  ),
  run(input) {
    const folder = placed({ "model.safetensors": input });
    readAll(() => openSafetensors(join(folder, "model.safetensors")));
  },
});

const INDEX = "model.safetensors.index.json";

const shards = target({
  name: "shards",
  inTests: 15,
  inputs: mutatedFolder(goldenFolders("bert/sharded"), (path, content) => {
    if (path === INDEX) return mutatedJsonText([content]);
    return path.endsWith(".safetensors") ? mutatedText([content], 0.01) : undefined;
  }),
  run(input) {
    const folder = placedFolder(input);
    readAll(() => openWeights(folder));
  },
});

const GGUF_FILES = [
  "types",
  "kinds",
  "pieces",
  "q8_0",
  "smollm",
  "llama3",
  "qwen3",
  "gemma3",
  "converted/xlm-roberta-reranker",
].map((name) => `io/gguf/${name}.gguf`);

const gguf = target<{ file: string }>({
  name: "gguf",
  inTests: 15,
  inputs: mutatedText(GGUF_FILES.map(golden), 0.2).map((file) => ({ file })),
  async run({ file }) {
    const path = join(placed({ "model.gguf": file } satisfies Files), "model.gguf");
    openGguf(path).close();
    readAll(() => openGgufWeights(path));
    await ggufModelFolder(path, { ...process.env, BIDORA_HOME: join(workFolder(), "home") });
  },
});

/** Models that bitsandbytes packed. */
const bitsandbytes = target({
  name: "bitsandbytes",
  inTests: 15,
  inputs: mutatedText(
    ["llama-nf4", "llama-int8", "bert-head"].map((name) => golden(`io/bitsandbytes/${name}/model.safetensors`)),
    0.2,
  ),
  run(input) {
    const folder = placed({ "model.safetensors": input });
    readAll(() => openWeights(folder));
  },
});

export const weightTargets = [safetensors, shards, gguf, bitsandbytes];
