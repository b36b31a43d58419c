// The library's open model: what it gives, and what it says to careless callers.
import { cpSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test, vi } from "vitest";
import { exportModel } from "../../../src/app/commands/models/export.js";
import { generate } from "../../../src/app/commands/models/generate.js";
import { load } from "../../../src/app/commands/models/load.js";
import { merge } from "../../../src/app/commands/models/merge.js";
import { type PredictSettings, predict } from "../../../src/app/commands/models/predict.js";
import { openSafetensors, saveSafetensors } from "../../../src/formats/safetensors/safetensors.js";
import { loraConfig, type SavedAdapter } from "../../../src/models/adapters/index.js";
import * as adapterFiles from "../../../src/models/adapters/peft/adapterFolder.js";
import type { LoadedModel } from "../../../src/models/index.js";
import { liveHandles } from "../../../src/torch/index.js";
import type { InputRow } from "../../../src/use/inference/model.js";
import { refuseUntrainedHead } from "../../../src/use/inference/open.js";
import { temporaryFolders } from "../../formats/temporaryFolder.js";
import { GOLDEN } from "../../parity/goldenFiles.js";
import { tinyAdapter, tinyModel } from "../export/gguf/tinyModels.js";

vi.mock("../../../src/models/adapters/peft/adapterFolder.js", { spy: true });

const newFolder = temporaryFolders();
const BERT = join(GOLDEN, "bert");
const single = { model: join(BERT, "single"), adapter: join(BERT, "adapters", "dora-embedding") };
const LLAMA = join(GOLDEN, "generation", "llama");
const F32 = { dtype: "float32" } as const;

/** What the command writes for rows. */
async function written(settings: PredictSettings, rows: readonly object[]): Promise<unknown[]> {
  const folder = newFolder();
  const [input, output] = [join(folder, "rows.jsonl"), join(folder, "predictions.jsonl")];
  writeFileSync(input, rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
  await predict({ ...F32, ...settings, input, output });
  return readFileSync(output, "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as unknown);
}

describe("a loaded model predicts what the command predicts", () => {
  const texts = [{ text: "a word" }, { text: "another word here" }, { text: "" }];
  const labelled = texts.map((row) => ({ ...row, label: "none of the model's" }));
  const pairs = texts.map(({ text }) => ({ sentence1: text, sentence2: "one more" }));
  const words = [{ tokens: ["a", "word"] }, { tokens: ["one", "two", "three"], labels: ["O", "O", "O"] }];
  const questions = [{ question: "a word", context: "another word here and there" }];
  test.each<readonly [string, PredictSettings, readonly object[]]>([
    ["sequence classification", single, labelled],
    ["pairs of texts", single, pairs],
    ["several labels", { model: join(GOLDEN, "roberta", "multi") }, texts],
    ["regression", { model: join(GOLDEN, "roberta", "regression") }, texts],
    ["token classification", { model: join(BERT, "tokens") }, words],
    ["question answering", { model: join(BERT, "questions") }, questions],
    ["a language model", { model: LLAMA, maxNewTokens: 5 }, [{ prompt: "one two" }, { text: "three" }]],
  ])("%s", async (_, { maxNewTokens, ...which }, rows) => {
    const model = await load({ ...F32, ...which });
    const settings = { batchSize: 2, ...(maxNewTokens && { maxNewTokens }) };
    const expected = await written({ ...which, ...settings }, rows);
    expect(await model.predict(rows as InputRow[], settings)).toEqual(expected);
    const streamed: unknown[] = [];
    for await (const prediction of model.predict(rows as InputRow[], settings)) streamed.push(prediction);
    expect(streamed).toEqual(expected);
    model.dispose();
  });

  test("texts without columns, and the labels in the checkpoint's order", async () => {
    const model = await load({ ...F32, ...single });
    const texts = ["a word", "another word here"];
    const found = await model.predict(texts);
    expect(found).toEqual(
      await written(
        single,
        texts.map((text) => ({ text })),
      ),
    );
    for (const { label, logits } of found) {
      const largest = (logits as number[]).indexOf(Math.max(...(logits as number[])));
      expect(label).toBe(model.labels[largest]);
    }
    const { id2label } = JSON.parse(readFileSync(join(single.model, "config.json"), "utf8")) as { id2label: object };
    expect(model.labels).toEqual(Object.values(id2label));
  });

  test("calls that overlap", async () => {
    const model = await load({ ...F32, ...single });
    const rows = Array.from({ length: 9 }, (_, i) => "a word ".repeat(i + 1));
    const alone = await model.predict(rows, { batchSize: 2 });
    const [first, second] = await Promise.all([
      model.predict(rows, { batchSize: 2 }),
      model.predict(rows.toReversed(), { batchSize: 2 }),
    ]);
    expect(first).toEqual(alone);
    expect(second).toEqual(alone.toReversed());
  });
});

describe("a loaded model generates what the command generates", () => {
  const sampling = { maxNewTokens: 8, temperature: 0.7, seed: 3 };

  test("one prompt, whole and in pieces", async () => {
    const model = await load({ ...F32, model: LLAMA });
    const [expected] = await generate({ ...F32, model: LLAMA, prompt: "one two", ...sampling });
    expect(await model.generate("one two", sampling)).toEqual(expected);
    let text = "";
    for await (const piece of model.generate("one two", sampling)) text += piece.text;
    expect(text).toBe(expected?.text);
  });

  test("several prompts, which overlap with another call", async () => {
    const model = await load({ ...F32, model: LLAMA });
    const prompts = ["one", "two", "three"];
    const alone = await model.generate(prompts, { maxNewTokens: 6, batchSize: 2 });
    expect(alone.map(({ prompt }) => prompt)).toEqual(prompts);
    const both = await Promise.all([
      model.generate(prompts, { maxNewTokens: 6, batchSize: 2 }),
      model.generate("three", { maxNewTokens: 6 }),
    ]);
    expect(both).toEqual([alone, alone[2]]);
  });

  test("with an adapter, merged or not", async () => {
    const which = { ...F32, model: join(GOLDEN, "llama/lm"), adapter: join(GOLDEN, "llama/adapters/lm-lora") };
    const [expected] = await generate({ ...which, prompt: "a word", maxNewTokens: 4 });
    for (const merge of [false, true]) {
      const model = await load({ ...which, merge });
      expect((await model.generate("a word", { maxNewTokens: 4 })).tokens).toEqual(expected?.tokens);
    }
  });

  test("a setting without effect is refused", async () => {
    const model = await load({ ...F32, model: LLAMA });
    await expect(model.generate("a", { lengthPenalty: 2 })).rejects.toThrow(/^No effect here: --length-penalty/);
    await expect(model.generate("a", { greedy: true, topK: 3 })).rejects.toThrow(/^--greedy takes the most likely/);
  });
});

describe("the end of a model", () => {
  const own = ["lora", "dora", "dora-embedding", "vera", "adalora", "ia3"].map((name) => `bert/adapters/${name}`);
  const others = ["rivals/bert/miss", "rivals/bert/delora", "rivals/bert/hira"];
  const ofOthers = ["oft/adapters/oft-embedding", "prediag/adapters/prediag"];
  test.each([...own, ...others, ...ofOthers])(
    "its tensors are released, and later calls are refused: %s",
    async (adapter) => {
      const before = liveHandles();
      const model = await load({ ...F32, ...single, adapter: join(GOLDEN, adapter) });
      await model.predict(["a word"]);
      expect(liveHandles()).toBeGreaterThan(before + 20);
      const { tokenizer } = model;
      model.dispose();
      model.dispose();
      expect(liveHandles() - before).toBeLessThan(2); // what is left is the random number generator
      const refusal = /^The model has been disposed of: load it again/;
      await expect(model.predict(["a"])).rejects.toThrow(refusal);
      await expect(model.generate("a")).rejects.toThrow(refusal);
      expect(() => model.module).toThrow(refusal);
      expect(() => model.tokenizer).toThrow(refusal);
      expect((await tokenizer.tokensOf(["a"])).length).toBe(1);
    },
  );

  test("a call that is running ends with the same sentence", async () => {
    const model = await load({ ...F32, model: LLAMA });
    const pieces = model.generate("one", { maxNewTokens: 20 })[Symbol.asyncIterator]();
    await pieces.next();
    const rows = model.generate(["one", "two", "three"], { maxNewTokens: 20, batchSize: 1 })[Symbol.asyncIterator]();
    await rows.next();
    const predictions = model.predict(["one", "two"], { maxNewTokens: 20 });
    const ended = expect(predictions).rejects.toThrow(/^The model has been disposed of/);
    model.dispose();
    await ended;
    await expect(pieces.next()).rejects.toThrow(/^The model has been disposed of/);
    await expect(rows.next()).rejects.toThrow(/^The model has been disposed of/);
  });

  test("using and await using dispose of it", async () => {
    const model = await load({ ...F32, ...single });
    model[Symbol.dispose]();
    await expect(model.predict(["a"])).rejects.toThrow(/^The model has been disposed of/);
    const other = await load({ ...F32, ...single });
    await other[Symbol.asyncDispose]();
    await expect(other.predict(["a"])).rejects.toThrow(/^The model has been disposed of/);
  });

  test("a signal ends one call, and not the next", async () => {
    const model = await load({ ...F32, ...single });
    const reason = new Error("enough");
    await expect(model.predict(["a"], {}, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    expect(await model.predict(["a"])).toHaveLength(1);
  });

  test("a signal ends loading, before it or during it", async () => {
    const reason = new Error("enough");
    await expect(load({ ...F32, ...single }, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    const before = liveHandles();
    const stopping = new AbortController();
    const loading = load({ ...F32, ...single, adapter: join(BERT, "adapters", "dora") }, { signal: stopping.signal });
    const ended = expect(loading).rejects.toBe(reason);
    while (liveHandles() < before + 5) await new Promise(setImmediate);
    stopping.abort(reason);
    await ended;
    expect(liveHandles()).toBeLessThan(before + 3);
  });
});

describe("rows and models that do not fit", () => {
  const of = (which: object) => load({ ...F32, ...which });
  const withMetadata = (metadata: object) => {
    const folder = join(newFolder(), "adapter");
    cpSync(single.adapter, folder, { recursive: true });
    writeFileSync(join(folder, "bidora.json"), JSON.stringify({ formatVersion: 1, method: "dora", ...metadata }));
    return { ...single, adapter: folder };
  };
  const trainedOn = (textColumns: string[]) => withMetadata({ textColumns });

  test("texts are cut to the length that the model was trained with, unless another is given", async () => {
    const model = await of(withMetadata({ maxLength: 5 }));
    const text = "a word and another word here";
    const [[cut], [asked], [longer]] = [
      await model.predict([text]),
      await model.predict([text], { maxLength: 5 }),
      await model.predict([text], { maxLength: 16 }),
    ];
    expect(cut).toEqual(asked);
    expect(cut).not.toEqual(longer);
  });

  test.each<readonly [string, object, readonly InputRow[], RegExp]>([
    [
      "words for a classifier of texts",
      single,
      [{ tokens: ["a"] }],
      /^the input: no column has a usual name for the text; the columns are tokens/,
    ],
    [
      "a text for a classifier of words",
      { model: join(BERT, "tokens") },
      ["a"],
      /^the input: no column has a usual name for the words; the columns are text/,
    ],
    [
      "a number for a text",
      single,
      [{ text: "a" }, { text: 7 }],
      /^Row 2: the column text must hold a string, but holds 7\.$/,
    ],
    [
      "a row without the column",
      single,
      [{ text: "a" }, { label: "b" }],
      /^Row 2: the column text must hold a string, but holds nothing\.$/,
    ],
    ["half a character", single, ["a", "b \ud83d"], /^Row 2: the column text has a lone surrogate/],
    [
      "a question without a context",
      { model: join(BERT, "questions") },
      [{ question: "a" }],
      /^the input has no column|no column has a usual name/,
    ],
    [
      "two kinds of prompt in one row",
      { model: LLAMA },
      [{ prompt: "a", text: "b" }],
      /^Row 1: expected messages, or prompt and completion, or text/,
    ],
  ])("%s", async (_, which, rows, message) => {
    const model = await of(which);
    await expect(model.predict(rows)).rejects.toThrow(message);
  });

  test("single texts for a model of pairs, and pairs for one of single texts", async () => {
    const pairs = await of(trainedOn(["sentence1", "sentence2"]));
    await expect(pairs.predict(["a"])).rejects.toThrow(
      "The model was trained on sentence1 and sentence2, but the input has text for it: name the columns by --text-columns.",
    );
    const texts = await of(trainedOn(["review"]));
    const [first, second] = await texts.predict(["a", { review: "a" }], { batchSize: 1 });
    expect(first).toEqual(second);
    await expect(texts.predict([{ sentence1: "a", sentence2: "b" }])).rejects.toThrow(
      /^The model was trained on review, but/,
    );
    expect(await texts.predict([{ sentence1: "a", sentence2: "b" }], { textColumns: ["sentence1"] })).toEqual(
      await texts.predict(["a"]),
    );
  });

  test("generate() of a classifier, and --max-new-tokens for one", async () => {
    const model = await of(single);
    await expect(model.generate("a")).rejects.toThrow(
      "The model is for sequence-classification, and generate() takes a language model: call predict().",
    );
    await expect(model.predict(["a"], { maxNewTokens: 3 })).rejects.toThrow(/^No effect: maxNewTokens/);
  });

  test("an adapter of another base model", async () => {
    const other = join(GOLDEN, "roberta", "single");
    await expect(of({ ...single, model: other })).rejects.toThrow(
      /^The adapter does not fit the model: .*another base model/,
    );
  });

  test("the labels are the adapter's, in its order, and not the checkpoint's", async () => {
    const plain = await of(single);
    const reversed = await of(withMetadata({ labels: plain.labels.toReversed() }));
    expect(reversed.labels).toEqual(plain.labels.toReversed());
    const [[a], [b]] = [await plain.predict(["a word"]), await reversed.predict(["a word"])];
    expect(b?.logits).toEqual(a?.logits);
    expect(plain.labels.length - 1 - plain.labels.indexOf(a?.label as string)).toBe(
      plain.labels.indexOf(b?.label as string),
    );
  });

  test("a GGUF file with an adapter", async () => {
    vi.stubEnv("XDG_CACHE_HOME", newFolder());
    const folder = newFolder();
    const model = tinyModel(join(folder, "base"), "smollm", {
      model_type: "llama",
      architectures: ["LlamaForCausalLM"],
    });
    const adapter = await tinyAdapter(
      join(folder, "adapter"),
      model,
      loraConfig({ rank: 2, targetModules: ["v_proj"] }),
    );
    const file = join(folder, "base.gguf");
    await exportModel({ model, to: "gguf", outtype: "f32", output: file });
    const settings = { maxNewTokens: 6 };
    const [fromFolder, fromFile, alone] = [
      await (await of({ model, adapter })).generate("one two", settings),
      await (await of({ model: file, adapter })).generate("one two", settings),
      await (await of({ model: file })).generate("one two", settings),
    ];
    expect(fromFile).toEqual(fromFolder);
    expect(alone.tokens).not.toEqual(fromFile.tokens);
    vi.unstubAllEnvs();
  });

  test("a model without a head, an adapter as the model, a model as the adapter", async () => {
    const bare = join(newFolder(), "bare");
    cpSync(single.model, bare, { recursive: true });
    const path = join(bare, "config.json");
    const config = JSON.parse(readFileSync(path, "utf8")) as object;
    writeFileSync(path, JSON.stringify({ ...config, architectures: ["BertModel"] }));
    await expect(of({ model: bare })).rejects.toThrow(/^The model has no trained head for any task/);
    writeFileSync(path, JSON.stringify(config));
    const weights = openSafetensors(join(bare, "model.safetensors"));
    const kept = weights.names.filter((name) => !name.startsWith("classifier."));
    const body = kept.map((name) => [name, weights.readTensor(name)] as const);
    weights.close();
    saveSafetensors(join(bare, "model.safetensors"), body, { format: "pt" });
    await expect(of({ model: bare })).rejects.toThrow(
      /^Neither the model nor the adapter has weights for classifier: it was not fine-tuned/,
    );
    await expect(of({ model: single.adapter })).rejects.toThrow(/holds an adapter, not a model/);
    await expect(of({ ...single, adapter: single.model })).rejects.toThrow(
      /holds a model, not an adapter: pass it as the model/,
    );
  });

  test.each(["lora_A.weight", "lora_B.weight", "bias"])(
    "a head's layer of which an adapter has the %s alone",
    (name) => {
      const refused = (...names: readonly string[]) =>
        expect(() =>
          refuseUntrainedHead(
            { initialized: ["pooler.dense"] } as unknown as LoadedModel,
            { tensors: new Map(names.map((one) => [`pooler.dense.${one}`, {}])) } as unknown as SavedAdapter,
          ),
        );
      refused(name).toThrow("Neither the model nor the adapter has weights for pooler.dense");
      refused(name, "weight").not.toThrow();
    },
  );

  test("a base model that was moved away, and none at all", async () => {
    const folder = newFolder();
    const [base, adapter] = [join(folder, "base"), join(folder, "adapter")];
    cpSync(single.model, base, { recursive: true });
    cpSync(single.adapter, adapter, { recursive: true });
    const path = join(adapter, "adapter_config.json");
    const config = JSON.parse(readFileSync(path, "utf8")) as object;
    writeFileSync(path, JSON.stringify({ ...config, base_model_name_or_path: base }));
    expect((await of({ adapter })).folder).toBe(base);
    renameSync(base, join(folder, "moved"));
    await expect(of({ adapter })).rejects.toThrow(`There is no folder ${base}.`);
    expect((await of({ adapter, model: join(folder, "moved") })).folder).toBe(join(folder, "moved"));
    writeFileSync(path, JSON.stringify({ ...config, base_model_name_or_path: null }));
    await expect(of({ adapter })).rejects.toThrow(/^--model is missing, and the adapter does not name its base model/);
    await expect(of({})).rejects.toThrow(/^--model is missing: give/);
  });

  test("a Hub that can't be reached, and settings without effect", async () => {
    const hub = { environment: { HF_HUB_OFFLINE: "1", HF_HUB_CACHE: newFolder() } };
    await expect(load({ model: "someone/something" }, { hub })).rejects.toThrow(
      /someone\/something.*(offline|HF_HUB_OFFLINE)/i,
    );
    await expect(of({ model: single.model, merge: true })).rejects.toThrow(
      /^No effect here: --merge \(applies only with --adapter\)/,
    );
    await expect(of({ model: single.model, revision: "main" })).rejects.toThrow(/^No effect: --revision/);
  });

  test("a tokenizer with more tokens than the model", async () => {
    const folder = join(newFolder(), "model");
    cpSync(single.model, folder, { recursive: true });
    const path = join(folder, "tokenizer_config.json");
    const settings = JSON.parse(readFileSync(path, "utf8")) as object;
    writeFileSync(path, JSON.stringify({ ...settings, pad_token: "<new>" }));
    const model = await of({ ...single, model: folder });
    await expect(model.predict(["a", "b <new>"])).rejects.toThrow(/^Row 2: the tokenizer gives the token id/);
  });
});

test("merge and load read an adapter once", async () => {
  vi.mocked(adapterFiles.readAdapter).mockClear();
  await merge({ ...single, output: join(newFolder(), "merged") });
  expect(vi.mocked(adapterFiles.readAdapter)).toHaveBeenCalledTimes(1);
  await load({ ...F32, ...single });
  expect(vi.mocked(adapterFiles.readAdapter)).toHaveBeenCalledTimes(2);
});
