// Starts of low-rank updates as PEFT computes, trains and saves them.

import { join } from "node:path";
import { describe, expect, test } from "vitest";
import {
  type AdaptedModel,
  type AdapterConfig,
  attachAdapter,
  inject,
  mergedWeight,
  readAdapter,
  type SavedAdapter,
  savedTensors,
  toLora,
} from "../../src/models/adapters/index.js";
import { MAGNITUDE } from "../../src/models/adapters/lowRankLayers.js";
import { orthogonal, withSigns } from "../../src/models/adapters/starts/ofWeights.js";
import { EVALUATION } from "../../src/models/nn/index.js";
import type { RunSettings } from "../../src/tasks/config/index.js";
import * as torch from "../../src/torch/index.js";
import { expectClose, GOLDEN, get, goldenInput, readJson, readTensors, type Tensors } from "./goldenFiles.js";
import { openModel } from "./support/adapted.js";
import { withoutPrefix } from "./support/cases.js";
import { expectLog, updateError } from "./support/compare.js";
import { runPhases } from "./support/phases.js";
import { encodeRows } from "./support/rows.js";

interface Case {
  readonly name: string;
  readonly family: string;
  readonly checkpoint: string;
  readonly rows: string;
  readonly settings: RunSettings & { readonly maxLength: number };
  readonly converted: boolean;
  readonly losses: readonly number[];
}

const FOLDER = join(GOLDEN, "starts");
const { cases, rates } = readJson<{ readonly cases: readonly Case[]; readonly rates: readonly Case[] }>(
  join(FOLDER, "golden.json"),
);

const goldenOf = ({ name }: Case): Tensors => readTensors(join(FOLDER, `${name}.safetensors`));
const saved = ({ name }: Case): Promise<SavedAdapter> => readAdapter(join(FOLDER, name));
const generator = () => new torch.Generator(7);

/** A new adapter with the settings of PEFT's file. */
async function started(entry: Case) {
  const model = await openModel(entry.family, entry.checkpoint);
  const { config } = await saved(entry);
  return { model, adapted: inject(model, config, { generator: generator() }) };
}

const logitsOf = (model: Awaited<ReturnType<typeof openModel>>, { family }: Case) =>
  torch.noGrad(() =>
    model.forward(goldenInput(readTensors(join(GOLDEN, family, "forward/single-texts.safetensors"))), EVALUATION),
  );

const layersOf = ({ modules }: AdaptedModel<AdapterConfig>) =>
  modules.map(({ path, adapter, layer }) => ({ path, adapter, layer, lowRank: adapter.lowRank! }));

describe.each(cases)("$name", (entry) => {
  const golden = goldenOf(entry);
  const startOf = (name: string) => get(golden, `start.base_model.model.${name}`);

  test("A, B and magnitudes start with PEFT's values, element by element, and leave PEFT's residuals", async () => {
    const { adapted } = await started(entry);
    for (const { path, adapter, lowRank } of layersOf(adapted)) {
      const [a, b] = [startOf(`${path}.lora_A.weight`), startOf(`${path}.lora_B.weight`)];
      const own = { a: lowRank.parameters.a.tensor, b: lowRank.parameters.b.tensor };
      // Singular vectors are unique up to their sign, which each build of LAPACK chooses; Q of QR is unique.
      const same = entry.name.startsWith("pissa") ? withSigns(own, b) : own;
      expectClose(same.a, a, 3e-5, path);
      expectClose(same.b, b, 3e-5, path);
      const magnitude = adapter.ownParameters.get(MAGNITUDE);
      if (magnitude) expectClose(magnitude.tensor, startOf(`${path}.${MAGNITUDE}`), 1e-6, path);
    }
    for (const { path, layer, lowRank } of layersOf(adapted)) {
      const expected = golden.get(`residual.${path}`);
      if (!expected) continue;
      const { a, b } = lowRank.removed!;
      const residual = torch.add(layer.weight.values.dense(), torch.mm(b, a), { alpha: lowRank.scale });
      expectClose(residual, expected, 5e-6, path);
    }
  });

  test("trains as in PEFT", async () => {
    const problem = await started(entry);
    for (const { name, tensor } of problem.adapted.trained) torch.noGrad(() => torch.copy_(tensor, startOf(name)));
    const rows = await encodeRows(entry.family, { ...entry, maxLength: entry.settings.maxLength });
    const { start, phases } = runPhases(problem, rows, { ...entry.settings, maxGradNorm: undefined });
    const { reports, end } = phases[0]!;
    expectLog(
      reports.map(({ loss }) => loss),
      entry.losses,
      1e-5,
      "loss",
    );
    const expected = withoutPrefix(readTensors(join(FOLDER, entry.name, "adapter_model.safetensors")));
    expect(updateError(start, end, expected)).toBeLessThan(2e-4);
  });

  test("an adapter that PEFT saved has its logits and merged weights, and keeps its start's name", async () => {
    const model = await openModel(entry.family, entry.checkpoint);
    const file = await saved(entry);
    expect(file.config).toMatchObject({ initLoraWeights: entry.name.split("-")[0] });
    const adapted = attachAdapter(model, file, { generator: generator() });
    expectClose(logitsOf(model, entry), get(golden, "logits"), 2e-5);
    const [name] = [...golden.keys()].filter((key) => key.startsWith("merged."));
    const module = adapted.modules.find(({ path }) => name === `merged.${path}`)!;
    expectClose(mergedWeight(module), get(golden, name!), 1e-5);
  });

  test.runIf(entry.converted)("its plain form is what PEFT converts it to", async () => {
    const model = await openModel(entry.family, entry.checkpoint);
    const adapted = attachAdapter(model, await saved(entry), { generator: generator() });
    const ours = toLora(adapted);
    const theirs = await readAdapter(join(FOLDER, `${entry.name}-converted`));
    const { rank, alpha, rslora, rankPattern, alphaPattern, initLoraWeights } = ours.config;
    expect({ rank, rslora, rankPattern, alphaPattern, initLoraWeights }).toEqual({
      ...{ rank: 6, rslora: entry.name.includes("rslora"), initLoraWeights: "default" },
      rankPattern: (theirs.config as typeof ours.config).rankPattern,
      alphaPattern: (theirs.config as typeof ours.config).alphaPattern,
    });
    expect(alpha).toBeCloseTo((theirs.config as typeof ours.config).alpha, 12);
    for (const [name, tensor] of theirs.tensors) {
      if (/lora_/.test(name)) expectClose(ours.tensors.get(name)!, tensor, 5e-5, name);
    }
    const plain = await openModel(entry.family, entry.checkpoint);
    inject(plain, ours.config, { generator: generator(), saved: ours.tensors });
    expectClose(logitsOf(plain, entry), get(golden, "logits"), 2e-5);
  });

  test("has the same bits after writing and reading", async () => {
    const file = await saved(entry);
    const model = await openModel(entry.family, entry.checkpoint);
    const adapted = attachAdapter(model, file, { generator: generator() });
    const tensors = savedTensors(adapted);
    expect([...tensors.keys()].sort()).toEqual([...file.tensors.keys()].sort());
    for (const [name, tensor] of tensors) expectClose(tensor, file.tensors.get(name)!, 1e-12, name);
  });
});

test.each(rates)("$name: trains with the rates of PEFT's LoRA+, and the head with its own", async (entry) => {
  const model = await openModel(entry.family, entry.checkpoint);
  const adapted = attachAdapter(model, await readAdapter(join(FOLDER, `${entry.name}-start`)), {
    generator: generator(),
  });
  const rows = await encodeRows(entry.family, { ...entry, maxLength: entry.settings.maxLength });
  const settings = { ...entry.settings, method: adapted.config.method as "lora", maxGradNorm: undefined };
  const { start, phases } = runPhases({ model, adapted }, rows, settings);
  const { reports, end } = phases[0]!;
  expectLog(
    reports.map(({ loss }) => loss),
    entry.losses,
    1e-5,
    "loss",
  );
  const expected = withoutPrefix(readTensors(join(FOLDER, `${entry.name}.safetensors`)));
  expect(updateError(start, end, expected)).toBeLessThan(2e-4);
});

test("orthogonal A and B have PEFT's values for the random numbers of a seed", () => {
  const golden = readTensors(join(FOLDER, "orthogonal.safetensors"));
  const { a, b } = orthogonal({ out: 52, in: 36 }, 4, new torch.Generator(5));
  expectClose(torch.castTo(a, "float32"), get(golden, "a"), 1e-6);
  expectClose(torch.castTo(b, "float32"), get(golden, "b"), 1e-6);
  expect(torch.max(torch.abs(torch.mm(b, a))).item()).toBeLessThan(1e-15);
});
