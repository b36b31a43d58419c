import { join } from "node:path";
import { expect, test } from "vitest";
import {
  type AdaptedModel,
  type AdapterConfig,
  attachAdapter,
  readAdapter,
  savedState,
  writeAdapter,
} from "../../src/models/adapters/index.js";
import { EVALUATION } from "../../src/models/nn/index.js";
import * as torch from "../../src/torch/index.js";
import { temporaryFolders } from "../formats/temporaryFolder.js";
import { expectClose, GOLDEN, goldenInput, readJson } from "./goldenFiles.js";
import { openAdapted, openModel } from "./support/adapted.js";
import { casesOf, goldenTensors, type TrainingCase } from "./support/cases.js";
import { runPhases } from "./support/phases.js";
import { encodeRows } from "./support/rows.js";

const newFolder = temporaryFolders();
const ORIGIN = { taskType: "SEQ_CLS", baseModel: undefined, revision: undefined, metadata: undefined };

interface Allocated extends TrainingCase {
  readonly family: string;
  readonly rankPattern: Readonly<Record<string, readonly boolean[]>>;
}

const cases = casesOf("training").filter(({ name }) => name.startsWith("adalora")) as Allocated[];

test.each(cases)("$family $name: ranks and adapter files agree with PEFT, and are read back", async (entry) => {
  const { family, settings, rankPattern } = entry;
  const { model, adapted } = await openAdapted(family, entry);
  const rows = await encodeRows(family, { ...entry, maxLength: settings.maxLength });
  runPhases({ model, adapted }, rows, { ...settings, maxGradNorm: settings.maxGradNorm ?? undefined });
  const state = savedState(adapted as AdaptedModel<AdapterConfig>);
  const folder = newFolder();
  writeAdapter(folder, { ...state, ...ORIGIN, adaptsTransposed: family === "gpt2" });

  const written = readJson<Record<string, unknown>>(join(folder, "adapter_config.json"));
  const given = readJson<Record<string, unknown>>(join(GOLDEN, family, entry.adapter, "adapter_config.json"));
  expect(written).toEqual({ ...given, rank_pattern: rankPattern });
  expect(Object.keys(written)).toEqual(Object.keys(given));
  for (const [name, kept] of Object.entries(rankPattern)) {
    const left = kept.filter(Boolean).length;
    for (const [key, dim] of [
      ["lora_A", 0],
      ["lora_B", 1],
      ["lora_E", 0],
    ] as const)
      expect(state.tensors.get(name.replace("lora_E", key))?.shape[dim], name).toBe(left);
  }

  const input = goldenInput(goldenTensors(family, "forward/single-pairs.safetensors"));
  const logits = model.forward(input, EVALUATION);
  const again = await openModel(family, "single");
  attachAdapter(again, await readAdapter(folder), { generator: new torch.Generator(3) });
  expectClose(again.forward(input, EVALUATION), logits, 1e-6);
});
