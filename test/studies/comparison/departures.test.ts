import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type FrozenPlan, writeFrozenPlanIn, writePlan } from "../../../src/base/records/index.js";
import { collectRuns } from "../../../src/studies/comparison/results/collectRuns.js";
import { frozenIn } from "../../../src/studies/comparison/results/departures.js";
import { fresh } from "../../e2e/support.js";
import { writtenRun } from "./writtenRun.js";

type Planned = Readonly<Record<string, object>>;

const asked = { task: "sequence-classification", model: "m", method: "lora", seed: 0 };
const GRID = "t/lora/grid/learningRate=";
const REPORTED = "t/lora/seed-0";

/** The planned settings of a run that is reported, and of those that try its learning rates. */
const planned: Planned = {
  [`${GRID}0.1`]: { ...asked, learningRate: 0.1, holdoutFraction: 0.2 },
  [`${GRID}0.2`]: { ...asked, learningRate: 0.2, holdoutFraction: 0.2 },
  [REPORTED]: { ...asked, maxLength: 128, evalEvery: 7 },
};

interface Made {
  /** What the plan has, if not the above. */
  readonly plan?: Partial<Omit<FrozenPlan, "sha256">>;
  /** The settings of the runs that were made, by their folders. */
  readonly made: Planned;
  /** What they were asked for with, if not the same as they were made with. */
  readonly now?: Planned;
}

const asRuns = (settings: Planned) =>
  Object.fromEntries(Object.entries(settings).map(([name, one]) => [name, { settings: one, data: {} }])) as never;

async function departures({ plan, made, now = made }: Made, margin?: number) {
  const output = fresh("departures");
  mkdirSync(output);
  const tasks = [{ name: "t", metric: "accuracy" }];
  const versions = { bidora: "1.0.0", libtorch: "2.6.0" };
  writeFrozenPlanIn(output, {
    ...{ sha256: "", methods: ["lora"], seeds: [0], tasks, tests: [], tuned: ["learningRate"], begun: [], versions },
    ...{ runs: asRuns(planned), ...plan },
  });
  writePlan(output, asRuns(now));
  for (const [name, settings] of Object.entries(made))
    writtenRun(join(output, name), { metrics: { accuracy: 0.5 }, settings });
  const metrics = [{ name: "accuracy", goal: "maximize" }] as const;
  const found = { tasks: [{ name: "t", metrics }], runs: await collectRuns(output) };
  return frozenIn(output, found as never, margin)!.departures;
}

/** As planned, with the rate that was chosen. */
const asPlanned: Planned = { ...planned, [REPORTED]: { ...planned[REPORTED], learningRate: 0.2 } };
const changedTo = (name: string, settings: object): Planned => ({
  ...asPlanned,
  [name]: { ...asPlanned[name], ...settings },
});

describe("what departs from a frozen plan", () => {
  it("is nothing if all runs are there, with the value of a planned point", async () => {
    expect(await departures({ made: asPlanned })).toEqual([]);
  });

  it("is a tuned setting with a value that the plan does not try", async () => {
    expect(await departures({ made: changedTo(REPORTED, { learningRate: 0.05 }) })).toEqual([
      `${REPORTED}: learningRate 0.05, the plan has 0.1.`,
    ]);
  });

  it("is a setting of a run that tried a value, and such a run that is missing or was added", async () => {
    const { [`${GRID}0.1`]: _left, ...others } = changedTo(`${GRID}0.2`, { batchSize: 4 });
    const more = { [`${GRID}0.3`]: { ...asked, learningRate: 0.3 }, "t/lora/curve/seed=1/seed-0-data-1": asked };
    expect(await departures({ made: { ...others, ...more } })).toEqual([
      `These runs of tried values are not in the plan: ${GRID}0.3, t/lora/curve/seed=1/seed-0-data-1.`,
      `These planned runs have no results: ${GRID}0.1.`,
      `${GRID}0.2: batchSize 4, the plan has 32.`,
    ]);
  });

  it.each(["maxLength", "dtype", "targetModules", "labelColumn", "textColumns"])(
    "is %s, which a run has from its model or data unless it is asked for",
    async (key) => {
      const value = {
        maxLength: 32,
        dtype: "bfloat16",
        targetModules: ["dense"],
        labelColumn: ["y"],
        textColumns: ["x"],
      }[key];
      const now = changedTo(REPORTED, { [key]: value });
      const [departure, ...others] = await departures({ made: asPlanned, now });
      expect(others).toEqual([]);
      expect(departure).toContain(`${REPORTED}: ${key} ${JSON.stringify(value)}, the plan has `);
      // What the run found itself is not asked for.
      expect(await departures({ made: now, now: asPlanned })).toEqual([]);
    },
  );

  it("is not what follows from a tuned length", async () => {
    const tries = (batchSize: number) => ({ ...asked, batchSize, holdoutFraction: 0.2 });
    const ofSizes = { "t/lora/grid/batchSize=2": tries(2), "t/lora/grid/batchSize=4": tries(4) };
    const plan = (budget?: string) => ({
      ...{ tuned: ["batchSize"], ...(budget !== undefined && { budget }) },
      runs: asRuns({ ...ofSizes, [REPORTED]: { ...planned[REPORTED], maxSteps: 9 } }),
    });
    const made = (settings: object) => ({
      ...ofSizes,
      [REPORTED]: { ...planned[REPORTED], batchSize: 4, ...settings },
    });
    expect(await departures({ plan: plan(), made: made({ evalEvery: 30, maxSteps: 9 }) })).toEqual([]);
    expect(await departures({ plan: plan("rows=90"), made: made({ evalEvery: 30, maxSteps: 5 }) })).toEqual([]);
    expect(await departures({ plan: plan(), made: made({ evalEvery: 30, maxSteps: 5 }) })).toEqual([
      `${REPORTED}: maxSteps 5, the plan has 9.`,
    ]);
    const fixed = { ...plan(), tuned: ["learningRate"], runs: asRuns(planned) };
    expect(await departures({ plan: fixed, made: changedTo(REPORTED, { evalEvery: 30 }) })).toEqual([
      `${REPORTED}: evalEvery 30, the plan has 7.`,
    ]);
  });
});
