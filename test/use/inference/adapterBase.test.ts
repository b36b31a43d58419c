// What is said where a base's matrices are in other formats than in the adapter's training.
import { join } from "node:path";
import { expect, test } from "vitest";
import { readConfig } from "../../../src/formats/checkpoint.js";
import { packedParts } from "../../../src/formats/weights.js";
import type { SavedAdapter } from "../../../src/models/adapters/index.js";
import type { AdapterMetadata } from "../../../src/models/adapters/metadata.js";
import { loadModel, matrixFormats } from "../../../src/models/index.js";
import { Linear, PackedWeight, WEIGHT_FORMATS } from "../../../src/models/nn/index.js";
import * as torch from "../../../src/torch/index.js";
import { noteOnBase } from "../../../src/use/inference/adapterBase.js";
import { temporaryFolders } from "../../formats/temporaryFolder.js";
import { ownHead } from "../../models/ownHead.js";
import { wideFolder } from "../../parity/support/wide.js";

const folder = temporaryFolders();

test("matrices are counted by format: a mixture, other blocks than those made here, and none of the head's", async () => {
  const path = wideFolder(join(folder(), "wide"), "bert", "single");
  const options = { ...ownHead(readConfig(path)), generator: new torch.Generator(0), dtype: "float32" } as const;
  const { model: dense } = await loadModel(path, options);
  const { model } = await loadModel(path, { ...options, baseDtype: "nf4" });
  const all = matrixFormats(model).nf4 as number;
  expect(matrixFormats(model)).toEqual({ nf4: all });
  expect(matrixFormats(dense)).toEqual({ dense: all });
  const layers = Array.from(model.baseModules(), ([, module]) => module).filter((module) => module instanceof Linear);
  const hold = (at: number, name: string, block: readonly number[]) => {
    const { weight } = layers[at] as Linear;
    const parts = packedParts(weight.values.dense("float32"), name, block);
    weight.swapValues(new PackedWeight(WEIGHT_FORMATS.get(name)!, weight.shape, "float32", parts, block))?.dispose();
  };
  hold(0, "q8_0", []);
  hold(1, "q8_0", []);
  hold(2, "nf4", [128]);
  expect(matrixFormats(model)).toEqual({ nf4: all - 3, q8_0: 2, "nf4/128": 1 });
  for (const one of [dense, model]) one.dispose();
});

test("a note compares the formats of matrices, whatever flag made them", () => {
  const note = (metadata: Partial<AdapterMetadata>, now: Record<string, number>) =>
    noteOnBase({ metadata: { method: "lora", ...metadata } } as SavedAdapter, now);
  const mixed = { baseFormats: { q4_k: 180, q6_k: 31 } };
  const of = (now: string) =>
    `The adapter was trained on a base whose matrices are q4_k (180), q6_k (31), and is used on one whose matrices are ${now}: results differ a little from the run's.`;
  expect(note(mixed, { q6_k: 31, q4_k: 180 })).toBeUndefined();
  expect(note(mixed, { q8_0: 211 })).toBe(of("q8_0 (211)"));
  expect(note(mixed, { dense: 210 })).toBe(of("dense (210)"));
  expect(note(mixed, { q4_k: 179, q6_k: 32 })).toBe(of("q4_k (179), q6_k (32)"));
  expect(note({ ...mixed, baseDtype: "q8_0" }, { q4_k: 180, q6_k: 31 })).toBeUndefined();
});

test("without a record of the formats, the note says what is known", () => {
  const note = (metadata: Partial<AdapterMetadata>, now: Record<string, number>) =>
    noteOnBase({ metadata: { method: "lora", ...metadata } } as SavedAdapter, now);
  expect(note({ baseDtype: "nf4" }, { nf4: 210 })).toBeUndefined();
  expect(note({ baseDtype: "nf4" }, { dense: 210 })).toBe(
    "The adapter was trained with --base-dtype nf4, and is used on a base whose matrices are dense (210): results differ a little from the run's.",
  );
  expect(note({}, { dense: 210 })).toBeUndefined();
  expect(note({}, { q4_1: 211 })).toBe(
    "The base's matrices are q4_1 (211), and bidora.json does not say what they were when the adapter was trained: if they were in another format, results differ a little from the run's.",
  );
  expect(noteOnBase({ metadata: undefined } as SavedAdapter, { q4_1: 211 })).toBeUndefined();
});
