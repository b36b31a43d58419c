/** Exported graphs in each dtype: their error in onnxruntime, and what export says that it is. */
import { cpSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { finetune } from "../../../../src/app/commands/finetune.js";
import { evaluate } from "../../../../src/app/commands/models/evaluate.js";
import { exportModel } from "../../../../src/app/commands/models/export.js";
import { openSafetensors, saveSafetensors } from "../../../../src/formats/safetensors/safetensors.js";
import { PLAIN_FORMAT, writeEmbeddingFormat } from "../../../../src/formats/sentenceTransformers.js";
import { causalLm } from "../../../../src/tasks/causalLm.js";
import { loadTokenizer } from "../../../../src/text/index.js";
import * as torch from "../../../../src/torch/index.js";
import type { OnnxDtypeName } from "../../../../src/use/export/onnx/dtypes.js";
import { GOLDEN, readJson } from "../../../parity/goldenFiles.js";
import { freshPath } from "../../../support/workFolder.js";
import { DecoderSession } from "./decoderSession.js";
import { OnnxModel } from "./onnxModel.js";

const TEXTS = ["the cat sat on the mat", "no", "a good day to all of you", "she reads a long book", "why not"];

/** The most that logits of the tiny golden models differ from float32, over float32's range. */
const BOUNDS: Readonly<Record<OnnxDtypeName, number>> = { fp32: 1e-12, fp16: 1e-3, q8: 0.05, q4: 0.3, q4f16: 0.3 };
const DTYPES = Object.keys(BOUNDS) as OnnxDtypeName[];

type Kind = "single" | "tokens" | "lm" | "lm-other";

const CASES: readonly (readonly [family: string, kind: Kind, adapter?: string])[] = [
  ["bert", "single"],
  ["bert", "single", "dora"],
  ["gpt2", "lm", "lm-dora-tables"],
  ["gemma3_text", "lm", "lm-lora-tables"],
  ["distilbert", "tokens"],
  ["deberta-v2", "single"],
  ["modernbert", "single"],
  ["electra", "single"],
  ["gpt2", "lm"],
  ["gpt2", "lm-other"],
  ["llama", "lm"],
  ["phi3", "lm"],
  ["gemma3_text", "lm"],
  ["qwen2", "single"],
];

const rowOf = (kind: Kind, text: string) => (kind === "tokens" ? { tokens: text.split(" ") } : { text });

/** The token ids of the rows, as the task has them. */
async function idsOf(model: string, kind: Kind, texts: readonly string[]): Promise<readonly (readonly number[])[]> {
  const tokenizer = await loadTokenizer(model);
  const options = { labels: undefined, maxLength: undefined };
  const examples = texts.map((text, line) => ({
    input: { kind: "text" as const, text },
    label: undefined,
    at: { file: "rows", line },
  }));
  const rows = kind.startsWith("lm")
    ? await causalLm.encode(examples, tokenizer, options)
    : await tokenizer.encodeBatch(texts.map((text) => [text]));
  return rows.map(({ inputIds }) => inputIds);
}

/** The logits of each row alone, one after the other. */
async function logitsOf(path: string, ids: readonly (readonly number[])[], kind: Kind): Promise<number[]> {
  const isDecoder = kind.startsWith("lm");
  const decoder = isDecoder ? await DecoderSession.open(path) : undefined;
  const encoder = isDecoder ? undefined : await OnnxModel.open(dirname(dirname(path)), basename(path));
  const all: number[] = [];
  for (const inputIds of ids) {
    const outputs = await encoder?.run([{ inputIds, tokenTypeIds: inputIds.map(() => 0) }], "right");
    const own = decoder ? (await decoder.run([inputIds])).logits.data : outputs?.logits?.data;
    all.push(...(own as Float32Array));
  }
  return all;
}

/** Exports in every dtype, and compares the reported errors with those in onnxruntime. */
async function expectErrors(model: string, kind: Kind, adapter?: string, texts = TEXTS): Promise<void> {
  const [output, data] = [freshPath("onnx"), freshPath("rows.jsonl")];
  writeFileSync(data, texts.map((text) => JSON.stringify(rowOf(kind, text))).join("\n"));
  const { files = [] } = await exportModel({ model, adapter, to: "onnx", dtype: DTYPES, data, output });
  expect(files.map(({ dtype }) => dtype)).toEqual(DTYPES);

  const ids = await idsOf(model, kind, texts);
  const exact = await logitsOf(files[0]!.path, ids, kind);
  const range = Math.max(...exact) - Math.min(...exact);
  for (const { dtype, path, error = Number.NaN } of files) {
    const logits = await logitsOf(path, ids, kind);
    const real = Math.max(...logits.map((value, i) => Math.abs(value - exact[i]!))) / range;
    expect(error, dtype).toBeLessThan(BOUNDS[dtype]);
    expect(Math.abs(error - real), dtype).toBeLessThan(0.02 * real + 1e-6);
  }
}

const NAMED = CASES.map(([family, kind, name]) => ({ family, kind, name }));

describe.each(NAMED)("$family $kind $name", ({ family, kind, name }) => {
  it("has the error that export reports", async () => {
    await expectErrors(join(GOLDEN, family, kind), kind, name && join(GOLDEN, family, "adapters", name));
  });
});

describe("bottlenecks after layers without a bias", () => {
  it.each(["qwen2", "modernbert"])("%s: have the error that export reports", async (family) => {
    const [train, output] = [freshPath("rows.jsonl"), freshPath("run")];
    writeFileSync(train, TEXTS.map((text, i) => JSON.stringify({ text, label: i % 2 })).join("\n"));
    const model = join(GOLDEN, family, "single");
    const settings = { maxSteps: 2, learningRate: 0.1, dtype: "float32", adapterSize: 5 } as const;
    await finetune({ model, task: "sequence-classification", train, method: "adapter", output, ...settings });
    await expectErrors(model, "single", output);
  });
});

/** Changes the weights of a folder whose names end so. */
function change(folder: string, ending: string, by: (weight: torch.Tensor) => torch.Tensor): void {
  const path = join(folder, "model.safetensors");
  const file = openSafetensors(path);
  const changed = file.names.map((name) => {
    const tensor = file.readTensor(name);
    return [name, name.endsWith(ending) ? by(tensor) : tensor] as const;
  });
  file.close();
  saveSafetensors(path, changed, { format: "pt" });
}

const enlarge = (folder: string, ending: string, factor: number): void =>
  change(folder, ending, (weight) => torch.mulScalar(weight, factor));

describe("distances that no two tokens have", () => {
  it.each([
    [8, 24],
    [2, 3], // the ends of the table have no distance at all
  ])("count in the range of what a graph projects, and so in the error: %i buckets", async (buckets, maxDistance) => {
    const folder = freshPath("model");
    cpSync(join(GOLDEN, "deberta-v2/single"), folder, { recursive: true });
    const config = readJson<object>(join(folder, "config.json"));
    const changes = { norm_rel_ebd: "none", position_buckets: buckets, max_relative_positions: maxDistance };
    writeFileSync(join(folder, "config.json"), JSON.stringify({ ...config, ...changes }));
    change(folder, "rel_embeddings.weight", (weight) =>
      torch.cat([torch.mulScalar(torch.narrow(weight, 0, 0, 1), 20), torch.narrow(weight, 0, 1, 2 * buckets - 1)], 0),
    );
    await expectErrors(folder, "single", undefined, ["no", "cat", "the", "a", "why"]);
  });
});

describe("the table of the vocabulary", () => {
  it("is the only one in 4 bits, also where there are as many positions as tokens", async () => {
    const folder = freshPath("model");
    cpSync(join(GOLDEN, "bert/single"), folder, { recursive: true });
    const config = readJson<{ vocab_size: number }>(join(folder, "config.json"));
    const count = config.vocab_size;
    writeFileSync(join(folder, "config.json"), JSON.stringify({ ...config, max_position_embeddings: count }));
    change(folder, "position_embeddings.weight", (weight) =>
      torch.mulScalar(torch.narrow(torch.cat([weight, weight, weight], 0), 0, 0, count), 30),
    );
    await expectErrors(folder, "single");
  });

  it("may have rows of zeros", async () => {
    const folder = freshPath("model");
    cpSync(join(GOLDEN, "bert/single"), folder, { recursive: true });
    change(folder, "word_embeddings.weight", (weight) =>
      torch.cat(
        [torch.mulScalar(torch.narrow(weight, 0, 0, 20), 0), torch.narrow(weight, 0, 20, weight.shape[0]! - 20)],
        0,
      ),
    );
    await expectErrors(folder, "single");
  });
});

describe("the rows of --data", () => {
  const measured = async (model: string, rows: readonly object[], dtype: OnnxDtypeName[]) => {
    const [output, data] = [freshPath("onnx"), freshPath("rows.jsonl")];
    writeFileSync(data, rows.map((row) => JSON.stringify(row)).join("\n"));
    const { files = [] } = await exportModel({ model: resolve(GOLDEN, model), to: "onnx", dtype, data, output });
    return files;
  };

  it("with labels give the metrics of evaluate, of the dtype and of float32", async () => {
    const data = join(GOLDEN, "rows/texts.jsonl");
    const rows = readFileSync(data, "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as object);
    const [file] = await measured("bert/single", rows, ["q4"]);
    const { metrics } = await evaluate({
      model: join(GOLDEN, "bert/single"),
      task: "sequence-classification",
      dtype: "float32",
      data,
    });
    for (const [name, value] of Object.entries(metrics)) expect(file?.float32Metrics?.[name]).toBeCloseTo(value, 5);
    expect(file?.metrics?.loss).not.toBeCloseTo(metrics.loss as number, 3);
  });

  it("without labels give the error alone", async () => {
    const [file, exact] = await measured(
      "bert/single",
      TEXTS.map((text) => ({ text })),
      ["q8", "fp32"],
    );
    expect(Object.keys(file ?? {}).sort()).toEqual(["bytes", "dtype", "error", "path"]);
    expect(exact?.error).toBe(0);
  });

  it("of prompts without completions give the error alone", async () => {
    const [file] = await measured(
      "llama/lm",
      TEXTS.map((prompt) => ({ prompt })),
      ["q8"],
    );
    expect(file?.error).toBeGreaterThan(0);
    expect(file?.metrics).toBeUndefined();
  });

  it.each(["mean", "cls", "last"] as const)(
    "of a model that embeds texts give the error of embeddings: %s",
    async (pooling) => {
      const folder = freshPath("model");
      cpSync(join(GOLDEN, "bert/no-prefix"), folder, { recursive: true });
      writeEmbeddingFormat(folder, { ...PLAIN_FORMAT, pooling, normalizes: true }, 36);
      const rows = TEXTS.map((text) => ({ text }));
      const [exact, file] = await measured(folder, rows, ["fp32", "q8"]);
      const encoded = await (await loadTokenizer(folder)).encodeBatch(TEXTS.map((text) => [text]));
      const [expected, actual] = await Promise.all(
        [exact, file].map(async (each) => {
          const graph = await OnnxModel.open(dirname(dirname(each!.path)), basename(each!.path));
          const all: number[] = [];
          for (const row of encoded)
            all.push(...((await graph.run([row], "right")).sentence_embedding!.data as Float32Array));
          return all;
        }),
      );
      const real = Math.max(...actual!.map((value, i) => Math.abs(value - expected![i]!)));
      const range = Math.max(...expected!) - Math.min(...expected!);
      expect(Math.abs(file!.error! - real / range)).toBeLessThan((0.02 * real) / range);
    },
  );

  it("are truncated at sentence-transformers' length", async () => {
    const folder = freshPath("model");
    cpSync(join(GOLDEN, "bert/no-prefix"), folder, { recursive: true });
    writeEmbeddingFormat(folder, { ...PLAIN_FORMAT, maxLength: 6 }, 36);
    const [short, long] = await Promise.all(
      ["the cat sat on", "the cat sat on the mat and so on"].map((text) => measured(folder, [{ text }], ["q4"])),
    );
    expect(short?.[0]?.error).toBeGreaterThan(0);
    expect(long?.[0]?.error).toBe(short?.[0]?.error);
  });

  it("that overflow float16 refuse it by name in a labeled file too", async () => {
    const folder = freshPath("model");
    cpSync(join(GOLDEN, "bert/single"), folder, { recursive: true });
    enlarge(folder, "intermediate.dense.weight", 1e6);
    const data = freshPath("rows.jsonl");
    const labels = Object.values(readJson<{ id2label: Record<string, string> }>(join(folder, "config.json")).id2label);
    writeFileSync(data, TEXTS.map((text) => JSON.stringify({ text, label: labels[0] })).join("\n"));
    const settings = { model: folder, to: "onnx", data, output: freshPath("onnx") } as const;
    await expect(exportModel({ ...settings, dtype: ["fp16"] })).rejects.toThrow(/line \d: with fp16 .* leave fp16 out/);
  });

  it("that overflow float16 refuse it by name, and nothing is written", async () => {
    const folder = freshPath("model");
    cpSync(join(GOLDEN, "llama/lm"), folder, { recursive: true });
    enlarge(folder, "up_proj.weight", 1e6);
    const [output, data] = [freshPath("onnx"), freshPath("rows.jsonl")];
    writeFileSync(data, JSON.stringify({ text: "the cat sat" }));
    const settings = { model: folder, to: "onnx", data, output } as const;
    await expect(exportModel({ ...settings, dtype: ["fp32", "fp16"] })).rejects.toThrow(
      /line 1: with fp16 .* leave fp16 out/,
    );
    expect(existsSync(join(output, "config.json"))).toBe(false);
  });
});
