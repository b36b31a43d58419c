import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type AnalyzeResult, analyze, analyzeCommand } from "../../../src/app/commands/analyze.js";
import type { Shown } from "../../../src/app/commands/command.js";
import type { AnalyzedRun, LineFit } from "../../../src/base/records/analysis.js";
import { temporaryFolders } from "../../formats/temporaryFolder.js";
import { GOLDEN, readJson } from "../../parity/goldenFiles.js";

const newFolder = temporaryFolders();
const MODEL = join(GOLDEN, "bert", "single");
const PEFT_RUN = join(GOLDEN, "analysis", "peft-dora");

type Change = Readonly<Record<"deltaM" | "deltaD", number>>;
type ByAxis = Readonly<Record<"out" | "in", Readonly<Record<string, Change>>>>;
interface Reference {
  readonly steps: Readonly<Record<string, ByAxis>>;
  readonly fits: Readonly<Record<"out" | "in", Readonly<Record<string, LineFit>>>>;
  readonly adapters: Readonly<Record<string, ByAxis>>;
}
const REFERENCE = readJson<Reference>(join(GOLDEN, "analysis", "analysis.json"));

const near = (found: number, wanted: number, tolerance = 1e-7): void => {
  expect(Math.abs(found - wanted)).toBeLessThanOrEqual(tolerance * Math.abs(wanted) + 1e-14);
};

const shownText = (result: AnalyzeResult): string => {
  const [shown] = [analyzeCommand.show(result, false)].flat();
  return (shown as Shown).text!;
};

async function analyzed(run: string, axis: "out" | "in"): Promise<AnalyzedRun> {
  const { analysis } = await analyze({ runs: [run], model: MODEL, axis, output: newFolder() });
  expect(analysis.runs).toHaveLength(1);
  return analysis.runs[0]!;
}

test.each(["out", "in"] as const)(
  "PEFT's checkpoints of a DoRA along %s, as numpy and scipy have them",
  async (axis) => {
    const run = await analyzed(PEFT_RUN, axis);
    expect(run).toMatchObject({ name: "peft-dora", method: "dora", model: MODEL });
    const paths = Object.keys(REFERENCE.steps["3"]![axis]);
    expect(run.layers.map(({ path }) => path).sort()).toEqual(paths.sort());
    for (const { path, steps, vectors, kind } of run.layers) {
      expect(steps.map(({ step }) => step)).toEqual([3, 6, 9]);
      expect(vectors).toBe(axis === "out" && kind === "dense" ? 52 : 36);
      for (const { step, deltaM, deltaD } of steps) {
        const wanted = REFERENCE.steps[String(step)]![axis][path]!;
        near(deltaM, wanted.deltaM);
        near(deltaD, wanted.deltaD);
      }
    }
    const found = { all: run.fits.all, query: run.fits.kinds.query!, "intermediate.dense": run.fits.kinds.dense! };
    for (const [kind, { slope, intercept, correlation }] of Object.entries(found)) {
      const wanted = REFERENCE.fits[axis][kind]!;
      near(slope!, wanted.slope!, 1e-6);
      near(intercept!, wanted.intercept!, 1e-6);
      near(correlation!, wanted.correlation!, 1e-6);
    }
  },
);

test.each(Object.keys(REFERENCE.adapters))("PEFT's %s, whose end alone is saved", async (name) => {
  for (const axis of ["out", "in"] as const) {
    const { layers } = await analyzed(join(GOLDEN, "bert", "adapters", name), axis);
    const wanted = REFERENCE.adapters[name]![axis];
    expect(layers.map(({ path }) => path).sort()).toEqual(Object.keys(wanted).sort());
    for (const { path, steps } of layers) {
      expect(steps.map(({ step }) => step)).toEqual([null]);
      near(steps[0]!.deltaM, wanted[path]!.deltaM);
      near(steps[0]!.deltaD, wanted[path]!.deltaD);
    }
  }
});

test("a result that equals the newest checkpoint byte by byte counts once, any other result counts too", async () => {
  const run = join(newFolder(), "run");
  cpSync(PEFT_RUN, run, { recursive: true });
  cpSync(join(PEFT_RUN, "checkpoint-9"), run, { recursive: true });
  const stepsOf = async () => (await analyzed(run, "out")).layers[0]!.steps.map(({ step }) => step);
  expect(await stepsOf()).toEqual([3, 6, 9]);
  cpSync(join(PEFT_RUN, "checkpoint-6"), run, { recursive: true });
  expect(await stepsOf()).toEqual([3, 6, 9, null]);
});

test("a run that stopped early ends with the step it went back to", async () => {
  const run = join(newFolder(), "run");
  cpSync(PEFT_RUN, run, { recursive: true });
  cpSync(join(PEFT_RUN, "checkpoint-6"), run, { recursive: true });
  const stepsOf = async (...events: readonly object[]) => {
    writeFileSync(join(run, "events.jsonl"), events.map((event) => `${JSON.stringify(event)}\n`).join(""));
    return (await analyzed(run, "out")).layers[0]!.steps.map(({ step }) => step);
  };
  const facts = { versions: {}, machine: {}, parameters: {}, judgedBy: { metric: "accuracy", goal: "maximize" } };
  const start = (settings: object) => ({ event: "start", ...facts, settings });
  const judged = (step: number, accuracy: number) => ({
    event: "evaluation",
    phase: "train",
    step,
    metrics: { accuracy },
  });
  const last = { event: "step", phase: "train", step: 9, loss: 1 };
  const log = [judged(3, 0.5), judged(6, 0.7), judged(9, 0.6), last, judged(9, 0.7), { event: "done", metrics: {} }];
  expect(await stepsOf(start({ earlyStopping: 1 }), ...log)).toEqual([3, 6]);
  expect(await stepsOf(start({ earlyStopping: null }), ...log)).toEqual([3, 6, 9]);
});

test("the axis is the runs' own' magnitudes, else out; runs that differ ask for one", async () => {
  const adapters = join(GOLDEN, "bert", "adapters");
  const axisOf = async (...runs: string[]) => {
    const { axis, axisFrom } = (await analyze({ runs, model: MODEL, output: newFolder() })).analysis;
    return [axis, axisFrom];
  };
  expect(await axisOf(join(adapters, "lora"))).toEqual(["out", "default"]);
  expect(await axisOf(join(adapters, "lora"), join(adapters, "dora"))).toEqual(["out", "runs"]);
});

test("the runs of a comparison's method, however far up its folder is given, have slopes over seeds", async () => {
  const comparison = join(newFolder(), "comparison");
  for (const seed of [0, 1]) {
    const run = join(comparison, "mrpc", "dora", `seed-${seed}`);
    cpSync(PEFT_RUN, run, { recursive: true });
    writeFileSync(join(run, ".bidora-run"), "");
  }
  const methodsOf = async (...runs: string[]) => {
    const result = await analyze({ runs, model: MODEL, axis: "in", output: newFolder() });
    const methods = result.analysis.methods!.map(({ name, layers, slope }) => [name, layers, slope?.seeds]);
    return { methods, slopes: result.analysis.methods!.map(({ slope }) => slope), shown: shownText(result) };
  };
  const of = (name: string) => ["all", "query", "dense"].map((layers) => [name, layers, 2]);
  const whole = await methodsOf(comparison);
  expect(whole.methods).toEqual(of(join("mrpc", "dora")));
  const fit = REFERENCE.fits.in.query!.slope!;
  near(whole.slopes[1]!.mean, fit, 1e-6);
  expect(whole.slopes[1]).toMatchObject({ deviation: 0, interval: { low: whole.slopes[1]!.mean } });
  expect(whole.shown).toMatch(/^mrpc\/dora +query +– +2 +\S+ ± 0 .* −1\.784 +(yes|no)$/m);
  expect((await methodsOf(join(comparison, "mrpc"))).methods).toEqual(of("dora"));
  expect((await methodsOf(join(comparison, "mrpc", "dora"))).methods).toEqual(of("dora"));
  const named = await methodsOf(join(comparison, "mrpc", "dora", "seed-0"), PEFT_RUN);
  expect(named.methods).toEqual([]);
  expect(named.shown).not.toContain("by method");
});

test("an earlier analysis is replaced; a file of another's making is not, unless --overwrite gives it away", async () => {
  const output = newFolder();
  const call = (overwrite = false) => analyze({ runs: [PEFT_RUN], model: MODEL, output, overwrite });
  const { page, data } = await call();
  expect([page, data]).toEqual([join(output, "analysis.html"), join(output, "analysis.json")]);
  const first = readFileSync(data, "utf8");
  writeFileSync(data, first.replace('"axis"', '"before"'));
  await call();
  expect(readFileSync(data, "utf8")).toBe(first);

  for (const path of [page, data]) {
    const own = readFileSync(path);
    writeFileSync(path, "mine");
    await expect(call()).rejects.toMatchObject({ code: "OUTPUT_IN_USE" });
    expect(readFileSync(path, "utf8")).toBe("mine");
    await call(true);
    expect(readFileSync(path)).toEqual(own);
  }
  expect(readdirSync(output).sort()).toEqual(["analysis.html", "analysis.json"]);
});

test("what can't be analysed is refused in a sentence", async () => {
  const [empty, run] = [newFolder(), join(newFolder(), "run")];
  await expect(analyze({ model: MODEL })).rejects.toThrow("The run is missing");
  await expect(analyze({ runs: [join(empty, "gone")], model: MODEL })).rejects.toThrow(
    /^There is no .*gone: name a run/,
  );
  await expect(analyze({ runs: [empty], model: MODEL })).rejects.toMatchObject({ code: "ANALYSIS" });
  await expect(analyze({ runs: [PEFT_RUN], output: empty })).rejects.toMatchObject({
    code: "USAGE",
    message: expect.stringMatching(/^--model is missing, and the adapter does not name its base model/),
  });
  await expect(analyze({ runs: [PEFT_RUN], model: MODEL, output: empty, targetModules: ["query"] })).rejects.toThrow(
    "--target-modules (applies only for runs with --method full)",
  );
  cpSync(PEFT_RUN, run, { recursive: true });
  writeFileSync(join(run, "checkpoint-6", "SHA256SUMS"), `${"0".repeat(64)}  adapter_model.safetensors\n`);
  await expect(analyze({ runs: [run], model: MODEL })).rejects.toThrow(/checkpoint-6 is damaged .*remove it/);
  rmSync(join(run, "checkpoint-6"), { recursive: true });
  mkdirSync(join(run, "checkpoint-6"));
  const { analysis } = await analyze({ runs: [run], model: MODEL });
  expect(analysis.runs[0]!.layers[0]!.steps.map(({ step }) => step)).toEqual([3, 9]);
});
