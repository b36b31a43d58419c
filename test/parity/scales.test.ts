// A factor of each low-rank update as the upper level, against a plain PyTorch implementation and PEFT.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import {
  ADAPTER_METHODS,
  attachAdapter,
  mergedWeight,
  readAdapter,
  type SavedAdapter,
  savedState,
  scaleFactors,
  writeAdapter,
} from "../../src/models/adapters/index.js";
import type { LowRankConfig } from "../../src/models/adapters/lowRankConfig.js";
import { modelInput } from "../../src/models/index.js";
import { EVALUATION } from "../../src/models/nn/index.js";
import type { RunSettings } from "../../src/tasks/config/index.js";
import { TASKS } from "../../src/tasks/index.js";
import * as torch from "../../src/torch/index.js";
import { ReplayableMasks } from "../../src/training/loop/masks.js";
import { planPhases } from "../../src/training/loop/plans.js";
import type { BilevelRule } from "../../src/training/steps/bilevelRule.js";
import { takeSnapshot } from "../../src/training/steps/trainedTensors.js";
import { temporaryFolders } from "../formats/temporaryFolder.js";
import { few } from "../support/few.js";
import { GOLDEN, readJson, readTensors } from "./goldenFiles.js";
import { type Adapted, openAdapted, openModel } from "./support/adapted.js";
import { type SearchSettings, section } from "./support/cases.js";
import { distance, updateError } from "./support/compare.js";
import { planSettings } from "./support/phases.js";
import { encodeRows } from "./support/rows.js";

type Values = Readonly<Record<string, number>>;

interface Case {
  readonly name: string;
  readonly checkpoint: string;
  readonly adapter: string;
  readonly rows: string;
  readonly file: string;
  readonly normGradient: "full" | "detached";
  readonly settings: Omit<SearchSettings, "regularizer"> & Pick<RunSettings, "unrollSteps">;
  readonly log: {
    readonly search: readonly {
      readonly upperLoss: number;
      readonly hypergradientNorm: number;
      readonly hypergradient: Values;
      readonly upper: Values;
    }[];
    readonly retrain: readonly number[];
  };
}

const FOLDER = join(GOLDEN, "scales");
const golden = readJson<{
  readonly cases: readonly Case[];
  readonly adapters: readonly { readonly adapter: string; readonly rows: string; readonly logits: number[][] }[];
}>(join(FOLDER, "golden.json"));
const temporary = temporaryFolders();

const rowsOf = (entry: { readonly rows: string }) =>
  encodeRows("bert", { checkpoint: "single", rows: entry.rows, maxLength: 20 });

async function setupOf(entry: Case, dtype: torch.DType) {
  const { model, adapted } = await openAdapted("bert", entry, { dtype, normGradient: entry.normGradient });
  const masks = new ReplayableMasks(new torch.Generator(0));
  const own = { task: TASKS["sequence-classification"], rows: await rowsOf(entry), masks, ranks: torch.ALONE };
  return { ...own, model, adapted, start: takeSnapshot(adapted.trained) };
}

function settingsOf({ terms, maxGradNorm, damping: _, ...settings }: Case["settings"], adapted: Adapted["adapted"]) {
  const method = adapted.config!.method as "lora" | "dora";
  return {
    ...settings,
    method,
    upper: "scales",
    hypergradientTerms: terms,
    maxGradNorm: maxGradNorm ?? undefined,
  } as const;
}

/** Both phases: what each step of the search gave, the losses of retraining, and the trained tensors at the end of each phase. */
async function runOf(entry: Case, dtype: torch.DType) {
  const setup = await setupOf(entry, dtype);
  const settings = {
    ...planSettings({ regularizer: undefined, ...settingsOf(entry.settings, setup.adapted) } as RunSettings),
  };
  const [search, retrain] = planPhases(setup, settings);
  const rule = search!.begin() as BilevelRule;
  const given = recordGradients(rule);
  const steps = Array.from({ length: search!.steps }, () => torch.scope(() => rule.step()));
  const found = takeSnapshot(setup.adapted.trained);
  const second = retrain!.begin();
  const losses = Array.from({ length: retrain!.steps }, () => torch.scope(() => second.step().loss));
  return { ...setup, steps, given, losses, found, final: takeSnapshot(setup.adapted.trained) };
}

/** The hypergradient of each step from now on, by module. */
function recordGradients({ options: { upper } }: BilevelRule): Values[] {
  const given: Values[] = [];
  const update = upper.update.bind(upper);
  upper.update = (gradients) => {
    const byName = gradients.tensors.map((tensor, i) => [upper.trained[i]!.name, tensor.item()] as const);
    given.push(Object.fromEntries(byName.map(([name, value]) => [name.replace(/\.scale_factor$/, ""), value])));
    return update(gradients);
  };
  return given;
}

function expectNear(found: Values, expected: Values, tolerance: number, what: string): void {
  expect(Object.keys(found).sort(), what).toEqual(Object.keys(expected).sort());
  const scale = Math.max(...Object.values(expected).map(Math.abs));
  const worst = Math.max(...Object.keys(expected).map((path) => Math.abs(found[path]! - expected[path]!)));
  expect(worst / scale, what).toBeLessThan(tolerance);
}

test.each(few(golden.cases, 8))("$name: search and retraining are torch's", async (entry) => {
  const tensors = readTensors(join(FOLDER, entry.file));
  const { steps, given, losses, start, found, final } = await runOf(entry, "float64");
  for (const [i, expected] of entry.log.search.entries()) {
    expectNear(given[i]!, expected.hypergradient, 1e-7, `hypergradient of step ${i + 1}`);
    expectNear(steps[i]!.upper!, expected.upper, 1e-7, `factors after step ${i + 1}`);
    expect(steps[i]!.hypergradientNorm! / expected.hypergradientNorm).toBeCloseTo(1, 7);
    expect(steps[i]!.upperLoss).toBeCloseTo(expected.upperLoss, 9);
  }
  for (const [i, loss] of entry.log.retrain.entries()) expect(losses[i]).toBeCloseTo(loss, 9);
  expect(updateError(start, found, section(tensors, "search"))).toBeLessThan(1e-5);
  expect(updateError(start, final, section(tensors, "final"))).toBeLessThan(1e-5);
});

/** The first case of each adapter. */
const ofEachAdapter = golden.cases.filter(
  ({ adapter }, i, all) => all.findIndex((other) => other.adapter === adapter) === i,
);

test.each(ofEachAdapter)(
  "the file of $name has alpha times the factor for each layer, and computes the same",
  async (entry) => {
    const { adapted, model, rows } = await runOf(entry, "float64");
    const factors = scaleFactors(adapted);
    const folder = join(temporary(), "adapter");
    mkdirSync(folder);
    writeAdapter(folder, { ...savedState(adapted as never), metadata: undefined } as SavedAdapter);
    const saved = await readAdapter(folder);
    const facts = ADAPTER_METHODS.lora.inLayers!.facts;
    const start = await readAdapter(join(GOLDEN, "bert", entry.adapter));
    for (const [path, c] of factors) {
      const before = facts(start.config as never, path);
      const after = facts(saved.config as never, path);
      expect(after.rank).toBe(before.rank);
      expect(after.scale! / (before.scale! * c)).toBeCloseTo(1, 14);
    }
    expect([...saved.tensors.keys()].sort()).toEqual([...start.tensors.keys()].sort());
    const other = await openModel("bert", "single", "float64");
    const attached = attachAdapter(other, saved, { generator: new torch.Generator(0), dtype: "float64" });
    expect(distance(logitsOf(other, rows), logitsOf(model, rows))).toBeLessThan(1e-6); // the file is float32
    for (const [i, module] of attached.modules.entries()) {
      const weights = (one: typeof module) => new Map([["weight", mergedWeight(one, "float64")]]);
      expect(distance(weights(module), weights(adapted.modules[i]!))).toBeLessThan(1e-6);
    }
  },
);

function logitsOf(model: Adapted["model"], rows: Awaited<ReturnType<typeof rowsOf>>) {
  return new Map([["logits", torch.noGrad(() => model.forward(modelInput(rows), EVALUATION) as torch.Tensor)]]);
}

test.each(golden.adapters)(
  "alphas of any sign for each path: PEFT's logits ($adapter)",
  async ({ adapter, ...entry }) => {
    const saved = await readAdapter(join(FOLDER, adapter));
    const alphas = Object.values((saved.config as LowRankConfig).alphaPattern);
    expect(Math.min(...alphas)).toBeLessThan(0);
    expect(alphas).toContain(0);
    const model = await openModel("bert", "single", "float64");
    attachAdapter(model, saved, { generator: new torch.Generator(0), dtype: "float64" });
    const rows = await rowsOf(entry);
    const expected = torch.tensor(entry.logits.flat(), [entry.logits.length, entry.logits[0]!.length], "float64");
    expect(distance(logitsOf(model, rows), new Map([["logits", expected]]))).toBeLessThan(1e-6);
  },
);
