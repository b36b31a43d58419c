import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { merge } from "../../../src/app/commands/models/merge.js";
import { openSafetensors } from "../../../src/formats/safetensors/safetensors.js";
import { readAdapter, writeAdapter } from "../../../src/models/adapters/index.js";
import { open } from "../../../src/use/inference/open.js";
import { readTensors } from "../../parity/goldenFiles.js";
import { BERT, changed, evaluated, fresh, json, jsonl, predicted, ROWS, run, write } from "../support.js";

const TRAIN = join(ROWS, "train.jsonl");

describe("a new head for an adapter without one", () => {
  const bare = { model: join(BERT, "no-prefix"), task: "sequence-classification" } as const;

  /** An adapter of another program for a bare encoder, with no more of a head than `kept`. */
  async function adapterWith(kept: readonly string[]): Promise<string> {
    const { output } = await run({ ...bare, method: "dora", maxSteps: 1 });
    const { metadata: _side, ...saved } = await readAdapter(output);
    const isKept = (name: string) => name.includes(".lora_") || kept.some((module) => name.startsWith(module));
    const folder = fresh("adapter");
    mkdirSync(folder);
    writeAdapter(folder, {
      ...saved,
      config: { ...saved.config, modulesToSave: kept },
      tensors: new Map([...saved.tensors].filter(([name]) => isKept(name))),
      metadata: undefined,
    });
    return folder;
  }

  test.each([
    ["nothing of it", []],
    ["the classifier alone", ["classifier"]],
  ] as const)("is initialized, trained, saved and used: %s", async (_, kept) => {
    const adapter = await adapterWith(kept);
    for (const method of ["dora", "bidora"] as const) {
      const [begun, trained] = [
        await run({
          ...bare,
          adapter,
          method,
          maxSteps: 1,
          learningRate: 0,
          ...(method === "bidora" && { retrainSteps: 0 }),
        }),
        await run({ ...bare, adapter, method, validation: TRAIN, dtype: "float32" }),
      ];
      expect(json<{ modules_to_save: string[] }>(join(trained.output, "adapter_config.json")).modules_to_save).toEqual(
        kept.length ? ["classifier", "bert.pooler"] : ["bert.pooler", "classifier"],
      );
      const [before, after] = [begun, trained].map(({ output }) =>
        readTensors(join(output, "adapter_model.safetensors")),
      );
      for (const name of ["bert.pooler.dense.weight", "classifier.weight"]) {
        const key = `base_model.model.${name}`;
        expect(after!.get(key)!.toArray()).not.toEqual(before!.get(key)!.toArray());
      }
      const measured = await evaluated({ ...bare, adapter: trained.output, data: TRAIN });
      expect(measured.loss).toBeCloseTo(trained.metrics.loss as number, 5);
      expect(trained.notes.join()).toContain(kept.length ? "(bert.pooler.dense)" : "(bert.pooler.dense, classifier)");
    }
  });

  test("is not mentioned if the adapter contains a head", async () => {
    const { output } = await run({ ...bare, method: "dora", maxSteps: 1 });
    const again = await run({ ...bare, adapter: output, maxSteps: 1 });
    expect(again.notes).toEqual([]);
  });
});

describe("labels are taken from the data if the checkpoint's head is for another task", () => {
  const one = jsonl({ sentence: "a boat", label: 0 }, { sentence: "cold rain", label: 1 });
  const kinds = [
    ["tokens", "sequence-classification", one, ["0", "1"]],
    ["multi", "sequence-classification", one, ["0", "1"]],
    ["regression", "sequence-classification", one, ["0", "1"]],
    ["single", "multi-label-classification", jsonl({ sentence: "a", label: ["beta", "x"] }), ["beta", "x"]],
    ["multi", "token-classification", jsonl({ tokens: ["a", "b"], labels: ["0", "1"] }), ["0", "1"]],
    ["single", "sequence-classification", one, ["alpha", "beta", "gamma"]],
  ] as const;
  test.each(kinds)("%s for %s", async (model, task, train, labels) => {
    const { output } = await run({ model: join(BERT, model), task, train, maxSteps: 1, method: "lora" });
    expect(json(join(output, "bidora.json")).labels).toEqual(labels);
    const [row] = await predicted({ model: join(BERT, model), adapter: output, input: train });
    expect(labels).toEqual(expect.arrayContaining([row!.label ?? row!.labels].flat()));
  });

  test("a head with one output can't be used for classification", async () => {
    const model = join(BERT, "regression");
    const { output } = await run({ model, task: "regression", train: one, maxSteps: 1, method: "lora" });
    rmSync(join(output, "bidora.json"));
    const asked = evaluated({ model, adapter: output, task: "sequence-classification", data: one });
    await expect(asked).rejects.toThrow("The adapter's head has 1 output, which does not fit sequence-class");
  });

  test("labels are taken from the data if the adapter to start from is for another task", async () => {
    const tokens = { model: join(BERT, "no-prefix"), maxSteps: 1, method: "lora" } as const;
    const train = jsonl({ tokens: ["a", "b"], labels: ["O", "B-X"] });
    const { output: adapter } = await run({ ...tokens, task: "token-classification", train });
    const { output } = await run({ ...tokens, task: "sequence-classification", train: one, adapter });
    expect(json(join(output, "bidora.json")).labels).toEqual(["0", "1"]);
    const asked = evaluated({ model: tokens.model, adapter, task: "sequence-classification", data: one });
    await expect(asked).rejects.toThrow("The adapter's head is for token-classification, not for sequence");
  });

  test("labels are taken from the data for an adapter of another program", async () => {
    const adapter = fresh("adapter");
    const model = join(BERT, "tokens");
    const five = jsonl(...["a", "b", "c", "d", "e"].map((label) => ({ sentence: "x", label })));
    const { output } = await run({ model, task: "sequence-classification", train: five, maxSteps: 1, method: "lora" });
    cpSync(output, adapter, { recursive: true, filter: (path) => !path.endsWith("bidora.json") });
    const { kind, labels } = await open({ model, adapter }, { dtype: "float32" });
    expect({ kind, labels }).toEqual({
      kind: "sequence-classification",
      labels: ["LABEL_0", "LABEL_1", "LABEL_2", "LABEL_3", "LABEL_4"],
    });
  });
});

/** A model of two classes whose config.json names them so; the weights are the same in each. */
async function twoClasses(labels: readonly [string, string]): Promise<string> {
  const { output } = await run({
    model: join(BERT, "no-prefix"),
    task: "sequence-classification",
    train: jsonl(
      ...Array.from({ length: 8 }, (_, i) => ({
        sentence1: i % 2 ? "a boat" : "rain",
        sentence2: i % 2 ? "a boat" : "rain",
        label: i % 2,
      })),
    ),
    method: "full",
    learningRate: 1e-3,
  });
  const config = {
    id2label: { 0: labels[0], 1: labels[1] },
    label2id: { [labels[0]]: 0, [labels[1]]: 1 },
  };
  writeFileSync(join(output, "config.json"), JSON.stringify({ ...json(join(output, "config.json")), ...config }));
  return output;
}

/** MRPC's file, where every second pair is a paraphrase. */
function mrpc(): string {
  const rows = ["a boat", "rain", "the painter", "cold rain", "small", "a map"].map(
    (text, i) => `${i % 2}\t1\t2\t${text}\t${text}`,
  );
  return write("dev.tsv", `Quality\t#1 ID\t#2 ID\t#1 String\t#2 String\n${rows.join("\n")}\n`);
}

describe("binary classification", () => {
  test("F1 is of the data set's positive class, in whichever order the model has the labels", async () => {
    const data = join(mrpc(), "..");
    const asFile = jsonl(
      ...["a boat", "rain", "the painter", "cold rain", "small", "a map"].map((text, i) => ({
        sentence1: text,
        sentence2: text,
        label: i % 2,
      })),
    );
    const orders = [
      ["not_equivalent", "equivalent"],
      ["equivalent", "not_equivalent"],
    ] as const;
    for (const order of orders) {
      const model = await twoClasses(order);
      const input = jsonl(
        ...readFileSync(asFile, "utf8")
          .trim()
          .split("\n")
          .map((line) => JSON.parse(line) as object),
      );
      const guesses = (await predicted({ model, input })).map(({ label }) => label);
      const right = guesses.filter((guess, i) => guess === "equivalent" && i % 2 === 1).length;
      const said = guesses.filter((guess) => guess === "equivalent").length;
      const f1 = (2 * right) / (said + 3);
      for (const path of [data, asFile])
        expect((await evaluated({ model, task: "glue/mrpc", data: path })).f1, `${order} ${path}`).toBeCloseTo(f1, 12);
      const byName = jsonl(
        ...readFileSync(asFile, "utf8")
          .trim()
          .split("\n")
          .map((line, i) => ({ ...(JSON.parse(line) as object), label: i % 2 ? "equivalent" : "not_equivalent" })),
      );
      expect((await evaluated({ model, data: byName })).f1, `${order} without the task`).toBeCloseTo(f1, 12);
    }
  });

  test.each([
    ["LABEL_0", "LABEL_1"],
    ["0", "1"],
  ] as const)("the model's labels %s and %s are mapped to the data set's, as in finetune", async (...names) => {
    const data = join(mrpc(), "..");
    const [bare, named] = [await twoClasses(names), await twoClasses(["not_equivalent", "equivalent"])];
    const metrics = await evaluated({ model: bare, task: "glue/mrpc", data });
    expect(metrics).toEqual(await evaluated({ model: named, task: "glue/mrpc", data }));
    cpSync(join(data, "dev.tsv"), join(data, "train.tsv"));
    const { metrics: trained } = await run({ model: bare, task: "glue/mrpc", data, train: undefined, learningRate: 0 });
    expect(trained.f1).toBe(metrics.f1);
  });
});

describe("a model output of NaN", () => {
  /** The tiny model with a weight that makes one word's rows NaN, or infinite. */
  function broken(source: string): string {
    const folder = changed(`bert/${source}`, "config.json", {});
    const path = join(folder, "model.safetensors");
    const [file, bytes] = [openSafetensors(path), readFileSync(path)];
    const { begin, shape } = file.info("bert.embeddings.word_embeddings.weight");
    file.close();
    const { vocab } = json<{ model: { vocab: Record<string, number> } }>(join(folder, "tokenizer.json")).model;
    const start = 8 + Number(bytes.readBigUInt64LE(0)) + begin;
    bytes.writeFloatLE(Number.NaN, start + 4 * (shape[1] as number) * (vocab.boat as number));
    writeFileSync(path, bytes);
    return folder;
  }
  const rows = jsonl({ sentence: "rain", label: "alpha" }, { sentence: "a boat", label: "beta" });
  const line2 = /rows\.jsonl line 2: the model's output is not a finite number/;

  test("is an error that names the row in evaluate, predict and evaluation during training", async () => {
    const model = broken("single");
    await expect(evaluated({ model, data: rows })).rejects.toThrow(line2);
    await expect(predicted({ model, input: rows })).rejects.toThrow(line2);
    const train = jsonl({ sentence: "rain", label: "alpha" }, { sentence: "a map", label: "beta" });
    const settings = { model, train, validation: rows, method: "lora", maxSteps: 2 } as const;
    await expect(run({ ...settings, evalEvery: 1 })).rejects.toThrow(line2);
    await expect(run(settings)).rejects.toThrow(line2);
  });

  test("an infinite evaluation loss is an error too", async () => {
    const model = changed("bert/regression", "config.json", {});
    const path = join(model, "model.safetensors");
    const [file, bytes] = [openSafetensors(path), readFileSync(path)];
    const { begin } = file.info("classifier.bias");
    file.close();
    bytes.writeFloatLE(3e30, 8 + Number(bytes.readBigUInt64LE(0)) + begin);
    writeFileSync(path, bytes);
    const data = jsonl({ sentence: "rain", label: 0 });
    await expect(evaluated({ model, data })).rejects.toThrow(
      "line 1: the model's output reaches 3.00e+30, so the loss is not a finite number.",
    );
  });

  test.each([
    ["tokens", { tokens: ["rain"], labels: ["O"] }, { tokens: ["a", "boat"], labels: ["O", "O"] }],
    ["multi", { sentence: "rain", label: [] }, { sentence: "a boat", label: [] }],
    ["regression", { sentence: "rain", label: 0 }, { sentence: "a boat", label: 1 }],
  ] as const)("%s", async (source, ...pair) => {
    await expect(evaluated({ model: broken(source), data: jsonl(...pair) })).rejects.toThrow(line2);
  });
});

describe("the columns that a run was trained on are remembered", () => {
  const rows = (first: string, second: string) =>
    jsonl(
      ...["a boat", "cold rain", "a map", "rain"].map((text, i) => ({
        body: text,
        [first]: i % 2,
        [second]: i < 2 ? 1 : 0,
      })),
    );
  const task = "multi-label-classification";

  test.each(["lora", "full"] as const)(
    "%s: evaluate and predict use the columns of training for text and labels",
    async (method) => {
      const data = rows("sea", "land");
      const trained = await run({
        ...{ model: join(BERT, "no-prefix"), task, train: data, validation: data, method, dtype: "float32" },
        textColumns: ["body"],
        labelColumn: ["sea", "land"],
      });
      const own =
        method === "full" ? { model: trained.output } : { model: join(BERT, "no-prefix"), adapter: trained.output };
      const metrics = await evaluated({ ...own, data });
      expect(metrics.microF1).toBe(trained.metrics.microF1);
      expect(await predicted({ ...own, input: data })).toHaveLength(4);
      await expect(evaluated({ ...own, data: rows("x", "y") })).rejects.toThrow(/name one with --label-column/);
      if (method === "full") return;
      const output = fresh("merged");
      const unset = { revision: undefined, overwrite: false };
      await merge({ ...unset, ...own, adapter: trained.output, output });
      expect((await evaluated({ model: output, data })).microF1).toBe(metrics.microF1);
      const again = await run({ ...own, task, train: data, maxSteps: 1 });
      expect(json(join(again.output, "bidora.json"))).toMatchObject({
        textColumns: ["body"],
        labelColumns: ["sea", "land"],
      });
    },
  );
});

test("the label column of a word-labelling file is remembered too", async () => {
  const data = write("words.conllu", "1\ta\t_\tNOUN\tN1\t_\t_\t_\t_\t_\n2\tboat\t_\tVERB\tV1\t_\t_\t_\t_\t_\n");
  const model = join(BERT, "no-prefix");
  const asked = { model, task: "token-classification", train: data, labelColumn: ["xpos"], maxSteps: 1 } as const;
  const { output } = await run({ ...asked, method: "lora" });
  expect(json(join(output, "bidora.json")).labels).toEqual(["N1", "V1"]);
  expect((await evaluated({ model, adapter: output, data })).accuracy).toEqual(expect.any(Number));
  expect(await predicted({ model, adapter: output, input: data })).toHaveLength(1);
});
