import { join } from "node:path";
import { expect, test } from "vitest";
import { trainEverything } from "../../src/models/adapters/index.js";
import type { RunSettings } from "../../src/tasks/config/index.js";
import type { Snapshot } from "../../src/training/steps/trainedTensors.js";
import { GOLDEN, readJson, readTensors } from "./goldenFiles.js";
import { type Adapted, openAdapted, openModel } from "./support/adapted.js";
import { section } from "./support/cases.js";
import { expectLog, isKeyBias, updateError } from "./support/compare.js";
import { runPhases } from "./support/phases.js";
import { encodeRows } from "./support/rows.js";

interface Case {
  readonly name: string;
  readonly checkpoint: string;
  /** Null for the training of all weights. */
  readonly adapter: string | null;
  readonly rows: string;
  readonly file: string;
  readonly settings: Omit<RunSettings, "maxGradNorm"> & {
    readonly maxLength: number;
    readonly maxGradNorm: number | null;
  };
  readonly log: {
    readonly search: readonly {
      readonly loss: number;
      readonly upperLoss: number;
      readonly hypergradientNorm: number;
      readonly learningRate: number;
      readonly upper: Readonly<Record<string, number>>;
    }[];
    readonly retrain: readonly { readonly loss: number; readonly learningRate: number }[];
  };
}

const cases = readJson<readonly Case[]>(join(GOLDEN, "decay", "golden.json"));

async function open({ checkpoint, adapter }: Case): Promise<Adapted> {
  if (adapter !== null) return openAdapted("bert", { checkpoint, adapter }, { dtype: "float64" });
  const model = await openModel("bert", checkpoint, "float64");
  return { model, adapted: trainEverything(model, "float64") };
}

/** Adam makes steps of the rounding errors of a key bias's gradient, which is 0. */
const compared = (all: Snapshot): Snapshot => new Map([...all].filter(([name]) => !isKeyBias(name)));

test.each(cases)("$name: search and retraining are those of PyTorch's autograd through the step", async (entry) => {
  const { settings, log } = entry;
  const { maxGradNorm, ...given } = settings;
  const problem = await open(entry);
  const { method } = problem.adapted.config ?? { method: "full" as const };
  const rows = await encodeRows("bert", { ...entry, maxLength: settings.maxLength });

  const run = { ...given, ...(maxGradNorm !== null && { maxGradNorm }), method, upper: "decay" } as const;
  const { start, phases } = runPhases(problem, rows, run as RunSettings);

  const [search, retrain] = phases;
  for (const key of ["loss", "upperLoss", "learningRate", "hypergradientNorm"] as const) {
    const of = (list: readonly object[]) => list.map((step) => (step as Record<string, number>)[key]!);
    expectLog(of(search!.reports), of(log.search), 1e-8, key);
    if (key in log.retrain[0]!) expectLog(of(retrain!.reports), of(log.retrain), 1e-8, `retraining's ${key}`);
  }
  for (const [i, { upper }] of log.search.entries()) {
    const found = search!.reports[i]!.upper!;
    expect(Object.keys(found).sort()).toEqual(Object.keys(upper).sort());
    for (const [name, weightDecay] of Object.entries(upper))
      expect(found[name]! / weightDecay, `${name} after step ${i + 1}`).toBeCloseTo(1, 8);
  }
  const golden = readTensors(join(GOLDEN, "decay", entry.file));
  for (const [phase, prefix] of [
    [search!, "search"],
    [retrain!, "final"],
  ] as const)
    expect(updateError(compared(start), compared(phase.end), compared(section(golden, prefix))), prefix).toBeLessThan(
      1e-4,
    );
});
