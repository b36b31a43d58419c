// Models that transformers and bitsandbytes quantized: logits, gradients and training of adapters as PEFT has them.

import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { readConfig } from "../../src/formats/checkpoint.js";
import { attachAdapter, readAdapter } from "../../src/models/adapters/index.js";
import { loadModel, modelInput, type TaskModel } from "../../src/models/index.js";
import { type BaseDtype, crossEntropy, EVALUATION, IGNORED_LABEL, PackedWeight } from "../../src/models/nn/index.js";
import type { EncodedExample } from "../../src/tasks/index.js";
import * as torch from "../../src/torch/index.js";
import { ownHead } from "../models/ownHead.js";
import { GOLDEN } from "../support/golden.js";
import { expectClose, get, readTensors, type Tensors, tokenRows } from "./goldenFiles.js";
import { runPhases } from "./support/phases.js";

const golden = (name: string) => join(GOLDEN, `io/bitsandbytes/${name}`);
const ALL = [
  "llama-nf4",
  "llama-int8",
  "llama-bfloat16",
  "llama-output",
  "bert-nf4",
  "bert-int8",
  "bert-head",
  "gpt2-nf4",
  "gpt2-int8",
];
const ADAPTED = ["llama-nf4", "llama-int8", "bert-nf4", "bert-int8", "gpt2-nf4"];
/** As of dense models in float32. */
const TOLERANCE = 2e-5;

async function open(name: string, dtype: torch.DType = "float32", baseDtype?: BaseDtype): Promise<TaskModel> {
  const own = ownHead(readConfig(golden(name)));
  return (await loadModel(golden(name), { ...own, dtype, baseDtype, generator: new torch.Generator(0) })).model;
}

const rowsOf = (ran: Tensors) => tokenRows(get(ran, "lengths").toArray(), Array.from(get(ran, "ids").toArray()));

const logitsOf = (model: TaskModel, ran: Tensors) =>
  torch.noGrad(() => model.forward(modelInput(rowsOf(ran)), EVALUATION));

const held = (model: TaskModel) =>
  new Map(Array.from(model.namedParameters(), ([path, { values }]) => [path, values] as const));

describe.each(ALL)("%s", (name) => {
  const ran = readTensors(golden(`${name}.safetensors`));

  test("is held as it is in the file, and has transformers' logits", async () => {
    const model = await open(name);
    const packed = [...held(model)].filter(([, values]) => values instanceof PackedWeight);
    const formats = new Set(packed.map(([, values]) => (values as PackedWeight).format.name));
    const format = name.endsWith("int8") ? "int8" : name === "bert-head" ? "fp4" : "nf4";
    expect([...formats]).toEqual([format]);
    expect(packed.length).toBe(
      name === "llama-output" ? 8 : name.startsWith("llama") ? 7 : name.startsWith("bert") ? 7 : 4,
    );
    expectClose(logitsOf(model, ran), get(ran, "logits"), TOLERANCE);
  });

  test("has the same logits in dense tensors", async () => {
    const model = await open(name, "float32", "float32");
    expect([...held(model).values()].every(({ isDense }) => isDense)).toBe(true);
    expectClose(logitsOf(model, ran), get(ran, "logits"), TOLERANCE);
  });
});

interface Start {
  readonly name: string;
  readonly adapter: string;
  readonly ran: Tensors;
}

const STARTS = ADAPTED.flatMap((name) => ["lora", "dora"].map((adapter) => ({ name, adapter })));

async function adapt({ name, adapter }: Pick<Start, "name" | "adapter">) {
  const model = await open(name);
  const saved = await readAdapter(golden(`${name}/${adapter}`));
  return { model, adapted: attachAdapter(model, saved, { generator: new torch.Generator(0), dtype: "float32" }) };
}

/** Rows as training has them: each token is the label of the one before it, or a row has a class. */
function trainingRows(ran: Tensors): EncodedExample[] {
  const labels = ran.get("labels")?.toArray();
  return rowsOf(ran).map((row, i) => {
    const { inputIds } = row;
    const next = inputIds.map((_, at) => inputIds[at + 1] ?? IGNORED_LABEL);
    return { ...row, target: labels ? labels[i] : next } as EncodedExample;
  });
}

describe.each(STARTS)("$name with PEFT's $adapter", ({ name, adapter }) => {
  const ran = readTensors(golden(`${name}.safetensors`));
  const of = (part: string) => get(ran, `${adapter}/${part}`);

  test("has PEFT's loss and gradients", async () => {
    const { model, adapted } = await adapt({ name, adapter });
    const rows = trainingRows(ran);
    const logits = model.forward(modelInput(rows), { masks: undefined });
    const targets = rows.flatMap(({ target }) => target as number | readonly number[]);
    const counted = targets.filter((label) => label !== IGNORED_LABEL).length;
    const total = crossEntropy(logits, torch.tensor(targets, [targets.length], "int64"));
    const loss = torch.divScalar(total, counted);
    expectClose(torch.reshape(loss, [1]), of("loss"), TOLERANCE);
    const found = torch.grad(
      [loss],
      adapted.trained.map(({ tensor }) => tensor),
    );
    expect(found.length).toBe([...ran.keys()].filter((key) => key.startsWith(`${adapter}/grad/`)).length);
    for (const [i, member] of adapted.trained.entries())
      expectClose(found[i]!, of(`grad/${member.name}`), 10 * TOLERANCE, member.name);
  });

  test("is PEFT's after three steps of AdamW", async () => {
    const rows = trainingRows(ran);
    const settings = {
      method: adapter as "lora",
      learningRate: 1e-2,
      weightDecay: 0.01,
      schedule: "constant" as const,
      batchSize: rows.length,
      maxSteps: 3,
    };
    const kind = ran.has("labels") ? "sequence-classification" : "causal-lm";
    const { phases } = runPhases(await adapt({ name, adapter }), rows, settings, kind);
    const [{ end }] = phases as [(typeof phases)[0]];
    for (const [path, tensor] of end) expectClose(tensor, of(`after/${path}`), 1e-4, path);
  });
});
