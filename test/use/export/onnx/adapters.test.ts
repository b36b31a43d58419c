/** Models exported with an adapter of every method, in onnxruntime. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { exportModel } from "../../../../src/app/commands/models/export.js";
import { readConfig } from "../../../../src/formats/checkpoint.js";
import {
  ADAPTER_METHODS,
  type AdapterPlacement,
  inject,
  savedTensors,
  writeAdapter,
} from "../../../../src/models/adapters/index.js";
import { architectureOf, modelTypeOf } from "../../../../src/models/index.js";
import type { Encoded } from "../../../../src/text/index.js";
import * as torch from "../../../../src/torch/index.js";
import { families, GOLDEN, get, goldenRows, readJson, readTensors } from "../../../parity/goldenFiles.js";
import { openModel } from "../../../parity/support/adapted.js";
import { goldenTensors, section } from "../../../parity/support/cases.js";
import { freshPath } from "../../../support/workFolder.js";
import { DecoderSession } from "./decoderSession.js";
import { distance, OnnxModel, outputsOf } from "./onnxModel.js";

const TOLERANCE = 1e-4;

interface AdapterCase {
  readonly name: string;
  readonly checkpoint: string;
  readonly head: string;
  readonly adapter: string;
  readonly batch: string;
  readonly file: string;
  readonly size: number;
}

const casesOf = (family: string, key: "adapters" | "bottlenecks"): AdapterCase[] =>
  readJson<Partial<Record<typeof key, AdapterCase[]>>>(join(GOLDEN, family, "golden.json"))[key] ?? [];

/** The logits of an exported model, without padding, for the rows of a golden file. */
async function logitsOf(family: string, adapter: string, { checkpoint, head, batch }: AdapterCase): Promise<number[]> {
  const output = freshPath("onnx");
  await exportModel({ model: join(GOLDEN, family, checkpoint), adapter, to: "onnx", output });
  const rows = goldenRows(readTensors(join(GOLDEN, family, batch)));
  if (head === "lm") return tokenLogits(join(output, "onnx/model.onnx"), rows);
  return outputsOf(await OnnxModel.open(output), rows, "right");
}

/** A language model's logits for each token of rows. */
async function tokenLogits(path: string, rows: readonly Encoded[]): Promise<number[]> {
  const session = await DecoderSession.open(path);
  const all = [];
  for (const { inputIds } of rows) all.push(...(await session.run([inputIds])).logits.data);
  return all;
}

const casesOfAll = (key: "adapters" | "bottlenecks") =>
  families.flatMap((family) => casesOf(family, key).map((entry) => [family, entry.name, entry] as const));

test.each(casesOfAll("adapters"))("%s with PEFT's adapter %s", async (family, _, entry) => {
  const expected = get(readTensors(join(GOLDEN, family, entry.file)), "logits").toArray();
  const actual = await logitsOf(family, join(GOLDEN, family, entry.adapter), entry);
  expect(distance(actual, [...expected])).toBeLessThan(TOLERANCE);
});

test.each(casesOfAll("bottlenecks"))("%s with bottlenecks, %s, as nodes of their own", async (family, _, entry) => {
  const golden = goldenTensors(family, entry.file);
  const expected = get(golden, "logits").toArray();
  const adapter = await bottleneckFolder(family, entry, section(golden, "start"));
  expect(distance(await logitsOf(family, adapter, entry), [...expected])).toBeLessThan(TOLERANCE);
});

/** Saves bottlenecks with these values, as a run does. */
async function bottleneckFolder(
  family: string,
  { name, size, checkpoint }: AdapterCase,
  saved: ReadonlyMap<string, torch.Tensor>,
): Promise<string> {
  const architecture = architectureOf(readConfig(join(GOLDEN, family, checkpoint)));
  const defaults = { ...architecture, modelType: modelTypeOf(architecture) };
  const { adapter } = ADAPTER_METHODS;
  const settings = { adapterSize: size, adapterPlacement: name as AdapterPlacement };
  const config = adapter.config({
    ...adapter.fromSettings(settings as never, defaults),
    modulesToSave: ["classifier"],
  });
  const model = await openModel(family, checkpoint);
  const adapted = inject(model, config, { generator: new torch.Generator(3), saved });
  const folder = freshPath("adapter");
  mkdirSync(folder);
  const origin = { baseModel: undefined, revision: undefined, taskType: "SEQ_CLS", metadata: undefined };
  writeAdapter(folder, { config, tensors: savedTensors(adapted), ...origin });
  return folder;
}
