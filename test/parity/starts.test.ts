// Starts of low-rank updates as PEFT computes, trains and saves them.

import { join } from "node:path";
import { describe, expect, test } from "vitest";
import {
  type AdaptedModel,
  type AdapterConfig,
  attachAdapter,
  beginFrom,
  doraConfig,
  doubling,
  inject,
  type LowRankConfig,
  loraConfig,
  mergedWeight,
  readAdapter,
  type SavedAdapter,
  savedState,
  savedTensors,
  toLora,
} from "../../src/models/adapters/index.js";
import { MAGNITUDE } from "../../src/models/adapters/lowRankLayers.js";
import { orthogonal, withSigns } from "../../src/models/adapters/starts/ofWeights.js";
import { EVALUATION } from "../../src/models/nn/index.js";
import type { RunSettings } from "../../src/tasks/config/index.js";
import { TASKS, type Task } from "../../src/tasks/index.js";
import * as torch from "../../src/torch/index.js";
import { firstBatches } from "../../src/training/loop/plans.js";
import { injectFromRows } from "../../src/training/run/startFromRows.js";
import { expectClose, GOLDEN, get, goldenInput, readJson, readTensors, type Tensors } from "./goldenFiles.js";
import { openModel } from "./support/adapted.js";
import { withoutPrefix } from "./support/cases.js";
import { expectLog, updateError } from "./support/compare.js";
import { planSettings, runPhases } from "./support/phases.js";
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

/** A start that is computed from the first rows. */
interface OfRows extends Omit<Case, "converted"> {
  readonly initBatches: number;
  readonly method: "lora" | "dora";
  readonly adapter: Partial<LowRankConfig>;
}

const FOLDER = join(GOLDEN, "starts");
const { cases, rates, ofRows } = readJson<{
  readonly cases: readonly Case[];
  readonly rates: readonly Case[];
  readonly ofRows: readonly OfRows[];
}>(join(FOLDER, "golden.json"));

const goldenOf = ({ name }: Case): Tensors => readTensors(join(FOLDER, `${name}.safetensors`));
const saved = ({ name }: Case): Promise<SavedAdapter> => readAdapter(join(FOLDER, name));
const generator = () => new torch.Generator(7);

/** A new adapter with the settings of PEFT's file. */
async function started(entry: Case) {
  const model = await openModel(entry.family, entry.checkpoint);
  const { config } = await saved(entry);
  return { model, adapted: inject(model, config, { generator: generator() }) };
}

const logitsOf = (model: Awaited<ReturnType<typeof openModel>>, { family }: Pick<Case, "family">) =>
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

describe.each(ofRows)("$name", (entry) => {
  const golden = readTensors(join(FOLDER, `${entry.name}.safetensors`));
  const start = entry.name.startsWith("eva") ? "eva" : "lora-ga";

  async function startedByRows() {
    const model = await openModel(entry.family, entry.checkpoint);
    const rows = await encodeRows(entry.family, { ...entry, maxLength: entry.settings.maxLength });
    const { modulesToSave } = (await readAdapter(join(FOLDER, entry.name))).config;
    const settings = { ...entry.settings, maxGradNorm: undefined };
    const shared = { model, rows, ranks: torch.ALONE, task: TASKS["sequence-classification"] as Task };
    const batches = firstBatches(shared, planSettings(settings), entry.initBatches);
    const { layersToTransform, ...own } = entry.adapter;
    const config = { lora: loraConfig, dora: doraConfig }[entry.method]({
      ...own,
      ...{
        layersToTransform: layersToTransform ?? undefined,
        modulesToSave: modulesToSave.filter((name) => name !== "score" || entry.family === "gpt2"),
      },
      initLoraWeights: start === "eva" ? "eva" : "default",
    });
    const made = { generator: generator(), dtype: "float32" } as const;
    return { model, rows, settings, adapted: injectFromRows(start, config, { ...shared, batches }, made) };
  }

  test("A and B start with the values of exact decompositions in PEFT's place", async () => {
    const { adapted } = await startedByRows();
    const names = [...golden.keys()].filter((name) => name.startsWith("start."));
    expect(adapted.trained.map(({ name }) => `start.base_model.model.${name}`).sort()).toEqual(names.sort());
    for (const { path, lowRank } of layersOf(adapted)) {
      const of = (name: string) => get(golden, `start.base_model.model.${path}.${name}.weight`);
      const { a, b } = lowRank.parameters;
      if (start === "eva") expectClose(a.tensor, of("lora_A"), 2e-5, path);
      else {
        // Each has the sign of another singular vector.
        expectClose(torch.abs(a.tensor), torch.abs(of("lora_A")), 2e-4, path);
        expectClose(torch.abs(b.tensor), torch.abs(of("lora_B")), 2e-4, path);
      }
    }
  });

  test("trains as in PEFT, and is saved as PEFT saves it", async () => {
    const { rows, settings, ...problem } = await startedByRows();
    const { adapted } = problem;
    torch.noGrad(() => {
      for (const { name, tensor } of adapted.trained)
        torch.copy_(tensor, get(golden, `start.base_model.model.${name}`));
      if (start === "lora-ga") for (const module of adapted.modules) beginFrom(module, true);
    });
    const { start: before, phases } = runPhases({ ...problem, adapted: again(adapted) }, rows, {
      ...settings,
      method: entry.method,
    });
    const { reports, end } = phases[0]!;
    expectLog(
      reports.map(({ loss }) => loss),
      entry.losses,
      1e-5,
      "loss",
    );
    const ends = new Map(
      [...golden].filter(([name]) => name.startsWith("end.")).map(([name, t]) => [name.slice(4), t]),
    );
    expect(updateError(before, end, withoutPrefix(ends))).toBeLessThan(2e-4);
    const ours = savedState(again(adapted));
    const theirs = await readAdapter(join(FOLDER, entry.name));
    const [own, other] = [ours.config, theirs.config].map((config) => config as LowRankConfig);
    for (const key of ["rank", "rslora", "rankPattern", "initLoraWeights"] as const)
      expect(own![key], key).toEqual(other![key]);
    expect(own!.alpha).toBeCloseTo(other!.alpha, 12);
    expect(Object.keys(own!.alphaPattern).sort()).toEqual(Object.keys(other!.alphaPattern).sort());
    for (const [key, alpha] of Object.entries(own!.alphaPattern))
      expect(alpha).toBeCloseTo(other!.alphaPattern[key]!, 12);
    for (const [name, tensor] of theirs.tensors)
      if (/lora_/.test(name)) expectClose(ours.tensors.get(name)!, tensor, 2e-4, name);
    const plain = await openModel(entry.family, entry.checkpoint);
    inject(plain, ours.config, { generator: generator(), saved: ours.tensors });
    expectClose(logitsOf(plain, entry), logitsOf(problem.model, entry), 2e-5);
  });

  /** With hooks that know what is taken out of the base now. */
  const again = (adapted: AdaptedModel<AdapterConfig>) =>
    start === "lora-ga" ? doubling({ ...adapted, hooks: undefined }) : adapted;
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
