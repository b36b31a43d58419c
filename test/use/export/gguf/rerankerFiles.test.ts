// What the GGUF file of a reranker contains, what is said about it, and that it is read with the same scores.
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, test, vi } from "vitest";
import { type ExportSettings, exportModel } from "../../../../src/app/commands/models/export.js";
import { load } from "../../../../src/app/commands/models/load.js";
import { dequantize, type ReadableType } from "../../../../src/formats/gguf/elements.js";
import { type GgufFile, openGguf } from "../../../../src/formats/gguf/file.js";
import { loraConfig } from "../../../../src/models/adapters/index.js";
import { temporaryFolders } from "../../../formats/temporaryFolder.js";
import { GOLDEN } from "../../../parity/goldenFiles.js";
import { bert, camembert, modernBert, PAIRS, ROWS, roberta, xlmRoberta } from "./rerankers.js";
import { tinyAdapter } from "./tinyModels.js";

const newFolder = temporaryFolders();
beforeEach(() => {
  vi.stubEnv("XDG_CACHE_HOME", newFolder());
});

const model = (write: (folder: string) => string) => write(join(newFolder(), "model"));

async function exported(of: string, settings: ExportSettings = {}) {
  const output = join(newFolder(), "out", "model.gguf");
  const { notes = [] } = await exportModel({ model: of, to: "gguf", outtype: "f32", output, ...settings });
  return { file: openGguf(output), notes, output };
}

/** Of more tokens than the models take, so that its longer text is cut. */
const LONG = { query: "old wall", document: "three long words on the board ".repeat(20) };

async function scoresOf(settings: Parameters<typeof load>[0]): Promise<number[]> {
  await using opened = await load({ ...settings, dtype: "float32" });
  return (await opened.predict([...ROWS, LONG])).map(({ score }) => score as number);
}

const valuesOf = (file: GgufFile, name: string): Float32Array =>
  dequantize(file.info(name).type as ReadableType, file.readBytes(name));

const CONVERTED = join(GOLDEN, "io/gguf/converted/xlm-roberta-reranker");
const golden = () => JSON.parse(readFileSync(`${CONVERTED}.json`, "utf8")) as Golden;

interface Golden {
  readonly pairs: readonly { readonly query: string; readonly document: string }[];
  /** sentence-transformers' raw outputs. */
  readonly outputs: readonly number[];
}

describe("the file", () => {
  test("of XLM-RoBERTa is the one of llama.cpp's converter, but for what only one of the two writes", async () => {
    const { file } = await exported(`${CONVERTED}.gguf`);
    const theirs = openGguf(`${CONVERTED}.gguf`);
    const others =
      /^general\.|^bidora\.|pooling_type$|output_labels$|hidden_activation$|remove_extra_whitespaces$|add_space_prefix$|mask_token_id$|vocab_size$/;
    const keysOf = ({ metadata }: GgufFile) => metadata.keys.filter((key) => !others.test(key)).sort();
    expect(keysOf(file)).toEqual(keysOf(theirs));
    for (const key of keysOf(file)) expect(file.metadata.value(key), key).toEqual(theirs.metadata.value(key));
    expect([...file.tensors.keys()].sort()).toEqual([...theirs.tensors.keys()].sort());
    for (const name of file.tensors.keys()) expect(valuesOf(file, name), name).toEqual(valuesOf(theirs, name));
  });

  test.each([
    ["XLM-RoBERTa", xlmRoberta, "bert", true],
    ["RoBERTa", roberta, "bert", true],
    ["BERT", bert, "bert", false],
    ["ModernBERT with RoBERTa's tokenizer", modernBert, "modern-bert", true],
  ] as const)(
    "of %s says how llama.cpp ranks, and which tokens stand between the texts",
    async (_, write, name, separates) => {
      const { file, output } = await exported(model((path) => write(path, { activation: "tanh" })));
      const { metadata } = file;
      expect(metadata.text("general.architecture")).toBe(name);
      expect(metadata.count(`${name}.pooling_type`)).toBe(4);
      expect(metadata.texts(`${name}.classifier.output_labels`)).toEqual(["score"]);
      expect(metadata.text("bidora.score_activation")).toBe("tanh");
      expect(metadata.count(`${name}.context_length`)).toBe(110);
      const flags = ["bos", "eos", "sep"].map((role) => metadata.flag(`tokenizer.ggml.add_${role}_token`));
      expect(flags).toEqual([true, true, separates]);
      expect(metadata.count("tokenizer.ggml.seperator_token_id")).toBe(metadata.count("tokenizer.ggml.eos_token_id"));
      expect(file.info("cls.weight").shape).toEqual([48, 48]);
      expect(file.info("cls.output.weight").shape).toEqual([1, 48]);
      expect(existsSync(output.replace(/gguf$/, "Modelfile"))).toBe(false);
    },
  );

  test("has the length that the adapter was trained with, and its head", async () => {
    const base = model(xlmRoberta);
    const config = loraConfig({ rank: 2, targetModules: ["query"], modulesToSave: ["classifier"] });
    const metadata = { method: "lora", task: "reranking", maxLength: 24 } as const;
    const adapter = await tinyAdapter(join(newFolder(), "adapter"), base, config, { task: "reranking", metadata });
    const { file, output } = await exported(base, { adapter });
    expect(file.metadata.count("bert.context_length")).toBe(24);
    const [own, found, plain] = [{ model: base, adapter }, { model: output }, { model: base }].map(scoresOf);
    expectAlike(await found!, await own!, 5); // merged weights are rounded
    expect(Math.abs((await plain!)[0]! - (await own!)[0]!)).toBeGreaterThan(0.01);
  });

  test("of a classifier with one output that says nothing is a reranker's with --task reranking", async () => {
    const folder = model(xlmRoberta);
    for (const name of ["modules.json", "config_sentence_transformers.json", "sentence_bert_config.json"])
      rmSync(join(folder, name));
    await expect(exported(folder)).rejects.toThrow(/it is for regression, but .*rerankers \(--task reranking\)/);
    const { output } = await exported(folder, { task: "reranking" });
    expectAlike(await scoresOf({ model: output }), await scoresOf({ model: folder, task: "reranking" }));
  });
});

test.each([
  ["sigmoid", "of which the score is the sigmoid"],
  ["identity", "which is the score"],
] as const)(
  "what is said: how the output becomes the score (%s), and what becomes of long pairs",
  async (activation, said) => {
    const { notes } = await exported(model((path) => xlmRoberta(path, { activation, maxLength: 40 })));
    expect(notes).toEqual([
      `llama-server --reranking gives the model's raw output, ${said}. Ollama runs no rerankers.`,
      "A pair has at most 40 tokens: bidora cuts the longer text, llama-server refuses longer pairs.",
      "llama-server takes special tokens that stand in a text as plain text, and bidora as the tokens.",
    ]);
    expect((await exported(model(bert))).notes.at(-1)).toMatch(/llama.cpp's WordPiece gives other tokens/);
  },
);

const expectAlike = (found: readonly number[], wanted: readonly number[], digits = 6) => {
  expect(found.length).toBe(wanted.length);
  for (const [i, score] of wanted.entries()) expect(found[i]).toBeCloseTo(score, digits);
};

describe("read back", () => {
  test.each([
    ["XLM-RoBERTa", xlmRoberta],
    ["RoBERTa", roberta],
    ["CamemBERT whose tokenizer cleans spaces by its normalizer", camembert],
    ["BERT", bert],
    ["ModernBERT", modernBert],
  ] as const)("%s gives the scores of its folder", async (_, write) => {
    for (const activation of ["sigmoid", "identity", "tanh"] as const) {
      const folder = model((path) => write(path, { activation }));
      const { output } = await exported(folder);
      const own = await scoresOf({ model: folder });
      expect(new Set(own).size).toBe(PAIRS.length + 1);
      expectAlike(await scoresOf({ model: output }), own);
    }
  });

  test.each([
    ["f16", 2e-3],
    ["bf16", 2e-2],
    ["q8_0", 4e-2],
  ] as const)("matrices in %s give nearly the scores of the folder", async (outtype, bound) => {
    const folder = model((path) =>
      xlmRoberta(path, { activation: "identity" }, { hidden_size: 96, intermediate_size: 128 }),
    );
    const [own, { output }] = [await scoresOf({ model: folder }), await exported(folder, { outtype })];
    const largest = Math.max(...own.map(Math.abs));
    const worst = Math.max(...(await scoresOf({ model: output })).map((score, i) => Math.abs(score - own[i]!)));
    expect(worst).toBeGreaterThan(0);
    expect(worst / largest).toBeLessThan(bound);
  });

  test("ModernBERT has its own windows, frequencies and epsilon", async () => {
    const change = { local_rope_theta: 500, global_rope_theta: 7000, norm_eps: 1e-3, local_attention: 12 };
    const folder = model((path) => modernBert(path, {}, change));
    const { output } = await exported(folder);
    expectAlike(await scoresOf({ model: output }), await scoresOf({ model: folder }));
  });

  test("BERT whose tokenizer gives no types has the first one for both texts", async () => {
    const tokenizerConfig = { model_input_names: ["input_ids", "attention_mask"], model_max_length: 110 };
    const folder = model((path) => bert(path, {}, { tellsApart: true, tokenizerConfig }));
    const { output } = await exported(folder);
    expectAlike(await scoresOf({ model: output }), await scoresOf({ model: folder }));
  });

  test("BERT with a cased vocabulary and another activation", async () => {
    const normalizer = {
      type: "BertNormalizer",
      clean_text: true,
      handle_chinese_chars: true,
      strip_accents: false,
      lowercase: false,
    };
    const folder = model((path) =>
      bert(path, {}, { tokenizerJson: { normalizer }, config: { hidden_act: "gelu_new" } }),
    );
    const { output } = await exported(folder);
    expectAlike(await scoresOf({ model: output }), await scoresOf({ model: folder }));
  });

  test("a file of llama.cpp's converter gives sentence-transformers' outputs, by the sigmoid", async () => {
    await using opened = await load({ model: `${CONVERTED}.gguf`, dtype: "float32" });
    const { pairs, outputs } = golden();
    const found = (await opened.predict([...pairs])).map(({ score }) => score as number);
    expectAlike(
      found,
      outputs.map((output) => 1 / (1 + Math.exp(-output))),
    );
  });
});
