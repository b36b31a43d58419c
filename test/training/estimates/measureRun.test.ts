import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import type { RunEvent } from "../../../src/base/records/events.js";
import { methodNames, type RunSettings, settle } from "../../../src/tasks/config/index.js";
import { namedDatasets } from "../../../src/tasks/datasets/index.js";
import { evaluationCounts, measureTexts, type PhaseCost } from "../../../src/training/estimates/costs.js";
import { measureRun, notesOnPhases, warningsOf } from "../../../src/training/estimates/measureRun.js";
import { type Prepared, prepare } from "../../../src/training/run/prepare.js";
import { fresh, GOLDEN, jsonl, oneLayer, run as runOf, SMALL, write } from "../../e2e/support.js";

const MODEL = oneLayer("bert/single");
const run = (settings: RunSettings) => runOf({ model: MODEL, ...settings });
const asked = (settings: RunSettings) => ({ flags: { ...SMALL, model: MODEL, output: fresh("none"), ...settings } });
const configOf = (settings: RunSettings) => settle(asked(settings));

const measured = (settings: RunSettings) => measureRun(asked(settings));

/** A clock that is a second on whenever it is looked at: what takes how long does not depend on the machine. */
function ticking(): () => number {
  let now = 0;
  return () => (now += 1000);
}

const startOf = (events: readonly RunEvent[]) => events.find((event) => event.event === "start")!;

/** Of the run itself. */
async function factsOfRun(settings: RunSettings) {
  const { events } = await run(settings);
  const { parameters, steps } = startOf(events);
  return { parameters, stepsOfPhases: steps, steps: events.filter(({ event }) => event === "step").length };
}

describe("counts of an estimate", () => {
  it.each(methodNames)("are those of the run with --method %s", async (method) => {
    const settings = { method, maxSteps: 2 } as const;
    expect(await measured(settings)).toMatchObject(await factsOfRun(settings));
  });

  it.each<RunSettings>([
    { method: "lora", maxSteps: undefined, epochs: 2, batchSize: 5 },
    { method: "lora", maxSteps: undefined, epochs: 1.5, batchSize: 5, gradientAccumulation: 3, dropLast: true },
    { method: "bidora", maxSteps: undefined, epochs: 1, unrollSteps: 2, gradientAccumulation: 2 },
    { method: "bidora", maxSteps: 3, retrainSteps: 5 },
    { method: "bidora", retrainSteps: 0 },
    { method: "lora", maxSteps: undefined, epochs: 1, trainLimit: 9, holdoutFraction: 0.3, evalEvery: 1 },
  ])("of steps are those of the run with %o", async (settings) => {
    const { steps, stepsOfPhases } = await factsOfRun(settings);
    expect(await measured(settings)).toMatchObject({ steps, stepsOfPhases });
  });
});

describe("a measurement", () => {
  it("leaves no files, not even a folder", async () => {
    const output = fresh("none");
    const before = readdirSync(process.cwd());
    await measured({ method: "bidora", output, saveEvery: 1, validation: SMALL.train, evalEvery: 1 });
    expect(existsSync(output)).toBe(false);
    expect(readdirSync(process.cwd())).toEqual(before);
  });

  it("is in seconds of the given clock, and grows with steps and evaluations", async () => {
    const foretold = (settings: RunSettings) =>
      measureRun(asked({ method: "lora", ...settings }), { clock: ticking() });
    const few = await foretold({ maxSteps: 4 });
    // From one look at the clock to the next.
    expect(few.secondsPerStep).toBe(1);
    const many = await foretold({ maxSteps: 40_000 });
    expect(many.seconds).toBeGreaterThan(few.seconds + 39_000);
    const judged = await foretold({ maxSteps: 40_000, validation: SMALL.train, evalEvery: 1 });
    expect(judged.seconds).toBeGreaterThan(1.2 * many.seconds);
  });

  it("is positive by the wall clock", async () => {
    expect((await measured({ method: "lora", maxSteps: 4 })).secondsPerStep).toBeGreaterThan(0);
  });

  it("says what was tried, and what it does not know", async () => {
    const { notes, warnings } = await measured({ method: "bidora", maxSteps: 2 });
    expect(warnings).toEqual([]);
    expect(notes.map((note) => note.replace(/heaviest \(\d+/, "heaviest (N"))).toEqual(
      ["search", "retrain"].map(
        (phase) =>
          `2 of 2 steps of ${phase} were measured, including the heaviest (N tokens): expect memory within 15 % and time within 30 % if the machine stays as busy as it is now.`,
      ),
    );
    const stopping = { method: "lora", earlyStopping: 1, evalEvery: 1, validation: SMALL.train } as const;
    expect((await measured(stopping)).warnings).toEqual([
      "Early stopping may end the run sooner: steps and time are upper bounds.",
    ]);
    const patient = await measured({ method: "bidora", maxSteps: 2, searchPatience: 1 });
    expect(patient.warnings).toEqual([expect.stringContaining("Early stopping")]);
  });

  it("warns of each phase without a whole measured step", () => {
    const phase = (name: "search" | "retrain", reached: number) =>
      ({ phase: name, steps: 4, sampled: { count: Number(reached === 90), reached, heaviest: 90 } }) as PhaseCost;
    const phases = [phase("search", 30), phase("retrain", 90)];
    const config = configOf({ method: "bidora" });
    expect(warningsOf({ config }, phases)).toEqual([
      "No whole step of search was measured: the heaviest has 90 tokens, and time and memory are extrapolated from 30. They may be off by half.",
    ]);
    expect(notesOnPhases(phases)).toEqual([expect.stringMatching(/^1 of 4 steps of retrain were measured/)]);
    const resumed = warningsOf({ config: { ...config, resume: true } }, []);
    expect(resumed).toEqual(["The figures are for the whole run, from its first step."]);
  });

  it("counts the evaluations of the run", () => {
    const choice = { task: {} };
    const of = (config: object, data: object) => evaluationCounts({ config, data, choice } as unknown as Prepared, 10);
    const [validation, test, holdout] = [[], [], []];
    expect(of({}, { validation, test })).toEqual({ validation: 1, test: 1, holdout: 0 });
    expect(of({ evalEvery: 4 }, { validation })).toEqual({ validation: 3, test: 0, holdout: 0 });
    // The last step's evaluation is the run's own.
    expect(of({ evalEvery: 5 }, { validation })).toEqual({ validation: 2, test: 0, holdout: 0 });
    expect(of({ evalEvery: 5, earlyStopping: 1 }, { validation })).toEqual({ validation: 3, test: 0, holdout: 0 });
    expect(of({ evalEvery: 5 }, { validation, holdout })).toEqual({ validation: 1, test: 0, holdout: 2 });
    expect(of({}, {})).toEqual({ validation: 0, test: 0, holdout: 0 });
  });
});

describe("a data set scored by generated texts", () => {
  /** 20 meanings with two texts each. */
  const rows = Array.from({ length: 40 }, (_, i) => `name[n${i >> 1}],the cat sat on mat ${i}`).join("\n");
  const data = dirname(write("trainset.csv", `mr,ref\n${rows}\n`));
  for (const name of ["devset.csv", "testset_w_refs.csv"]) writeFileSync(join(data, name), `mr,ref\n${rows}\n`);
  const settings = { model: join(GOLDEN, "gpt2/lm"), task: "e2e-nlg", data, train: undefined, method: "lora" } as const;

  /** What such a run prepares. */
  async function prepared(more: RunSettings = {}): Promise<Prepared> {
    const run = { config: configOf({ ...settings, ...more }), saved: undefined, adapterFolder: undefined };
    return {
      ...(await prepare(run)),
      texts: { validation: await namedDatasets["e2e-nlg"].load(data, "validation"), test: undefined },
    };
  }

  it("is estimated with the time of generation, more with beam search", async () => {
    // Processor time, which other processes don't lengthen; the first call's is that of everything that is loaded.
    const clock = () => process.cpuUsage().user / 1000;
    const secondsOf = async (of: Prepared) =>
      measureTexts(of, "validation", { clock, deadline: Number.POSITIVE_INFINITY });
    await secondsOf(await prepared({ beams: 8 }));
    const [less, more] = [await secondsOf(await prepared()), await secondsOf(await prepared({ beams: 8 }))];
    expect(less).toBeGreaterThan(0);
    expect(more).toBeGreaterThan(less);
    expect(await secondsOf({ ...(await prepared()), texts: undefined })).toBe(0);
  });

  it("is estimated close to the time of generation", async () => {
    // Each look at the clock is a second later: 20 prompts by 4 are 5 batches, of which each takes one.
    let now = 0;
    const clock = () => {
      now += 1000;
      return now;
    };
    expect(await measureTexts(await prepared(), "validation", { clock, deadline: Number.POSITIVE_INFINITY })).toBe(5);
    // No time for more than the first token: each of the texts' tokens is taken to be as long.
    const rough = await measureTexts(await prepared(), "validation", { clock, deadline: 0 });
    expect(rough % 5).toBeCloseTo(0, 6);
    expect(rough).toBeGreaterThan(5);
  });

  it("is estimated including all steps and evaluations", async () => {
    expect((await measured({ ...settings, maxSteps: 2 })).seconds).toBeGreaterThan(0);
  });
});

describe("an estimate refuses what the run refuses", () => {
  it.each<readonly [RunSettings, RegExp]>([
    [{ method: "lora", xi: 1 }, /No effect in this run: --xi/],
    [{ method: "lora", earlyStopping: 2 }, /--early-stopping needs/],
    [{ method: "lora", train: jsonl({ text: "no label" }) }, /label/],
    [{ method: "lora", output: write("file.txt", "x") }, /is a file; name a folder/],
  ])("%o", async (settings, message) => {
    const failure = async (body: () => Promise<unknown>) =>
      body().then(
        () => "none",
        (error: Error) => error.message,
      );
    const said = await failure(() => measured(settings));
    expect(said).toMatch(message);
    expect(said).toBe(await failure(() => run(settings)));
  });

  it("a folder that can't be resumed; a folder with a run in it is fine, since nothing is written", async () => {
    const { output } = await run({ method: "lora", maxSteps: 1 });
    expect((await measured({ method: "lora", output })).steps).toBe(4);
    const other = join(write("mine.txt", "x"), "..");
    await expect(measured({ method: "lora", output: other, resume: true })).rejects.toThrow(/is not a run of bidora/);
    expect((await measured({ method: "lora", output, overwrite: true })).steps).toBe(4);
    expect(existsSync(`${output}/metrics.json`)).toBe(true);
  });
});
