import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { finetune } from "../../../src/app/commands/finetune.js";
import { BidoraError, UsageError } from "../../../src/base/errors.js";
import {
  type RunSettings,
  readRunFile,
  refuseUnused,
  renderRunYaml,
  resolveRun,
  runOptions,
  settingSources,
  settle,
  unusedSettings,
} from "../../../src/tasks/config/index.js";
import { OPTIMIZERS, type OptimizerName } from "../../../src/torch/optim/index.js";

const folder = mkdtempSync(join(tmpdir(), "bidora-run-"));
let files = 0;
const yaml = (text: string): string => {
  const path = join(folder, `${files++}.yaml`);
  writeFileSync(path, text);
  return path;
};

describe("resolveRun", () => {
  test("fills in the documented defaults", () => {
    expect(resolveRun({ model: "m" })).toMatchObject({
      method: "lora",
      rank: 8,
      alpha: 16,
      dropout: 0,
      rslora: false,
      maxLength: 512,
      batchSize: 32,
      gradientAccumulation: 1,
      magnitudeAxis: "out",
      epochs: 3,
      weightDecay: 0.01,
      adamBeta1: 0.9,
      adamBeta2: 0.999,
      adamEpsilon: 1e-8,
      warmupRatio: 0.1,
      schedule: "linear",
      maxGradNorm: undefined,
      upperWeightDecay: 0,
      hypergradient: "exact",
      xi: "learning-rate",
      unrollSteps: 1,
      searchFraction: 0.8,
      regularizer: 1e-5,
      dtype: "auto",
      seed: 0,
      shuffle: true,
    });
  });

  test.each([
    ["lora", "detached", 1e-3, 1e-5],
    ["dora", "detached", 1e-3, 0],
    ["bidora", "full", 1e-3, 1e-5],
    ["full", "detached", 5e-5, 1e-5],
  ] as const)(
    "%s: gradients through the norm %s, rate %d, regularizer %d",
    (method, normGradient, learningRate, regularizer) => {
      const run = resolveRun({ model: "m", method });
      expect(run).toMatchObject({ normGradient, learningRate, upperLearningRate: learningRate, regularizer });
    },
  );

  test("the regularizer's weight, also for DoRA alone", () => {
    expect(resolveRun({ model: "m", method: "dora", regularizer: 1e-3 }).regularizer).toBe(1e-3);
    const dora = resolveRun({ model: "m", method: "dora", regularizer: 0.5 });
    expect(() => refuseUnused(dora.given, dora)).not.toThrow();
  });

  test.each(["dora", "bidora"] as const)("%s: gradients through the norm as set", (method) => {
    for (const normGradient of ["detached", "full"] as const)
      expect(resolveRun({ model: "m", method, normGradient }).normGradient).toBe(normGradient);
  });

  test("the other learning rates default to the lower level's", () => {
    expect(resolveRun({ model: "m", learningRate: 2e-3, retrainLearningRate: 1e-4 })).toMatchObject({
      upperLearningRate: 2e-3,
      retrainLearningRate: 1e-4,
    });
  });

  test("an optimizer's own defaults replace the usual ones, and give way to what is set", () => {
    expect(resolveRun({ model: "m", optimizer: "lion" })).toMatchObject({ adamBeta1: 0.9, adamBeta2: 0.99 });
    expect(settingSources(resolveRun({ model: "m", optimizer: "lion" }))).toMatchObject({
      adamBeta1: "default",
      adamBeta2: "derived",
    });
    expect(resolveRun({ model: "m", optimizer: "lion", adamBeta2: 0.999 }).adamBeta2).toBe(0.999);
    for (const optimizer of ["adamw", "adamw8bit"] as const)
      expect(resolveRun({ model: "m", optimizer }).adamBeta2).toBe(0.999);
    expect(runOptions.adamBeta2.defaultText).toBe("0.999; lion: 0.99");
  });

  test("the retrain phase is as long as the search unless it is set", () => {
    expect(resolveRun({ model: "m", epochs: 2 })).toMatchObject({ retrainEpochs: 2, retrainSteps: undefined });
    expect(resolveRun({ model: "m", maxSteps: 7 })).toMatchObject({ retrainEpochs: undefined, retrainSteps: 7 });
    expect(resolveRun({ model: "m", maxSteps: 7, retrainSteps: 0 })).toMatchObject({ retrainSteps: 0 });
    expect(resolveRun({ model: "m", maxSteps: 7, retrainEpochs: 1 })).toMatchObject({
      retrainEpochs: 1,
      retrainSteps: undefined,
    });
  });

  test("knows what the user set, which takes precedence over defaults that follow from other settings", () => {
    const run = settle({ flags: { model: "m", rank: 8, alpha: undefined }, adapter: { rank: 4, alpha: 32 } });
    expect(run).toMatchObject({ rank: 8, alpha: 32 });
    expect(Object.keys(run.given)).toEqual(["model", "rank"]);
  });

  test("an unknown method is refused with the list of known ones", () => {
    for (const method of ["prefix", "Lora"])
      expect(() => resolveRun({ model: "m", method } as never)).toThrow(/method takes full, .*lora.* or bidora; got /);
  });

  test("refuses what can't be", () => {
    expect(() => resolveRun({})).toThrow("--model is missing");
    expect(() => resolveRun({ model: "m", resume: true, overwrite: true })).toThrow(/are mutually exclusive/);
    expect(() => resolveRun({ model: "m", dtype: "float16", method: "bidora" })).toThrow(
      /float16 does not go with --method bidora/,
    );
    expect(() => resolveRun({ model: "m", dtype: "float16" })).not.toThrow();
    expect(() => resolveRun({ model: "m", rank: 0 })).toThrow("rank takes a whole number of at least 1; got 0.");
    expect(() => resolveRun({ model: "m", rnak: 3 } as never)).toThrow('Unknown setting "rnak". Did you mean "rank"?');
  });
});

describe("a setting without effect is refused by name", () => {
  test.each<[RunSettings, RegExp]>([
    [{ unrollSteps: 2 }, /^No effect in this run: --unroll-steps \(applies only with --method bidora or --upper\);/],
    [
      { method: "lora", xi: 1 },
      /^No effect in this run: --xi \(applies only with --method bidora or --upper and --hypergradient finite-difference/,
    ],
    [
      { method: "dora", unrollSteps: 1 },
      /--unroll-steps \(applies only with --method bidora or --upper\); add what it needs, or leave it out\.$/,
    ],
    [
      { method: "lora", searchFraction: 0.5, regularizer: 0 },
      /--search-fraction .*, --regularizer .* add what they need, or leave them out\.$/,
    ],
    [{ method: "lora", magnitudeAxis: "in" }, /--magnitude-axis \(applies only with --method dora or bidora\)/],
    [{ method: "lora", normGradient: "full" }, /--norm-gradient/],
    [{ method: "full", rank: 4 }, /--rank \(applies only with --method lora, .*or bidora\)/],
    [{ method: "full", targetModules: "all-linear", dropout: 0.1 }, /--target-modules .*--dropout/],
    [{ method: "bidora", hypergradient: "neumann", xi: 1 }, /--xi/],
    [{ method: "bidora", hypergradient: "cg", xi: "optimizer" }, /--xi/],
    [{ method: "bidora", hypergradient: "first-order", xi: 1 }, /--xi/],
    [{ method: "bidora", hypergradient: "exact", hypergradientTerms: 3 }, /--hypergradient-terms .*neumann or cg/],
    [{ method: "bidora", retrainSteps: 3, retrainEpochs: 1 }, /--retrain-epochs .*without --retrain-steps/],
    [{ method: "bidora", retrainSteps: 0, retrainLearningRate: 1e-4 }, /--retrain-learning-rate .*and a retrain phase/],
    [{ method: "bidora", retrainEpochs: 0, retrainLearningRate: 1e-4 }, /--retrain-learning-rate/],
    [
      { method: "bidora", searchFolds: 2, searchFraction: 0.5 },
      /--search-fraction \(applies only with --method bidora or --upper and without --search-folds/,
    ],
    [
      { method: "bidora", searchFolds: 2, searchPatience: 1 },
      /--search-patience \(applies only .*without --search-folds\)/,
    ],
    [
      { method: "dora", searchFolds: 2, searchPatience: 1, warmStart: true },
      /--search-folds .*--search-patience .*--warm-start/,
    ],
    [{ method: "bidora", retrainSteps: 0, warmStart: true }, /--warm-start \(applies only .*and a retrain phase\)/],
    [
      { method: "bidora", retrainEpochs: 0, searchPatience: 1, evalEvery: 1, earlyStopping: 1 },
      /No effect in this run: --early-stopping \(applies only if there is a phase/,
    ],
    [{ momentum: 0.5 }, /--momentum \(applies only with --optimizer sgd\)/],
    [
      { method: "lora", optimizer: "sgd", adamBeta1: 0.8, adamEpsilon: 1e-6 },
      /--adam-beta1 \(applies only with --optimizer adamw, adamw8bit or lion\), --adam-epsilon \(applies only with --optimizer adamw or adamw8bit\)/,
    ],
    [{ optimizer: "adafactor", adamBeta2: 0.8, momentum: 0 }, /--adam-beta2 .*, --momentum/],
    [
      { method: "bidora", optimizer: "adafactor", xi: "optimizer" },
      /--xi optimizer \(applies only with --optimizer adamw or sgd\); add what it needs, or leave it out/,
    ],
    [
      { method: "bidora", optimizer: "adamw8bit", xi: "optimizer" },
      /--xi optimizer \(applies only with --optimizer adamw or sgd\); add what it needs, or leave it out/,
    ],
    [{ method: "bidora", optimizer: "lion", adamEpsilon: 1e-6, xi: "optimizer" }, /--adam-epsilon .*--xi optimizer/],
    [{ optimizer: "adamw8bit", momentum: 0.5 }, /--momentum \(applies only with --optimizer sgd\)/],
    [{ keepCheckpoints: 2 }, /--keep-checkpoints \(applies only with --save-every\)/],
    [{ task: "regression", data: "folder", train: "t.jsonl" }, /--data \(applies only with a named data set as --task/],
    [{ task: "glue/mrpc", data: "folder", train: "t.tsv", validation: "v.tsv" }, /--data/],
    [{ task: "glue/mrpc", data: "folder", textColumns: ["a"] }, /--text-columns \(applies only on your own files/],
    [{ task: "glue/mrpc", data: "folder", labelColumn: ["a"] }, /--label-column/],
  ])("%j", async (settings, message) => {
    const run = resolveRun({ model: "m", ...settings });
    expect(() => refuseUnused(run.given, run)).toThrow(UsageError);
    expect(() => refuseUnused(run.given, run)).toThrow(message);
    await expect(finetune({ model: "m", ...settings })).rejects.toThrow(message);
  });

  test.each<RunSettings>([
    { method: "bidora", hypergradient: "forward-difference", xi: 1 },
    { method: "bidora", hypergradient: "cg", hypergradientTerms: 3 },
    { maxSteps: 5, epochs: 1 },
    { method: "bidora", retrainEpochs: 2, retrainLearningRate: 1e-4 },
    { saveEvery: 3, keepCheckpoints: 1 },
    { method: "bidora", optimizer: "sgd", momentum: 0.5, xi: "optimizer" },
    { method: "bidora", optimizer: "adafactor", xi: "learning-rate" },
    {
      method: "bidora",
      optimizer: "adamw8bit",
      adamBeta1: 0.8,
      adamBeta2: 0.99,
      adamEpsilon: 1e-6,
      xi: "learning-rate",
    },
    { method: "bidora", optimizer: "lion", adamBeta1: 0.95, adamBeta2: 0.98, weightDecay: 1, xi: "learning-rate" },
    { method: "dora", magnitudeAxis: "in", normGradient: "full" },
    { task: "glue/mrpc", data: "folder", train: "t.tsv", textColumns: ["a"] },
    { task: "glue/mrpc", train: "t.tsv", labelColumn: ["a"] },
  ])("%j applies", (settings) => {
    const run = resolveRun({ model: "m", ...settings });
    expect(run).toMatchObject(settings);
    expect(() => refuseUnused(run.given, run)).not.toThrow();
  });

  test("run.yaml leaves them out, so that it can be run again", () => {
    for (const method of ["lora", "dora", "bidora", "full"] as const) {
      const config = resolveRun({ model: "m", method });
      const again = resolveRun(readRunFile(yaml(renderRunYaml(config))));
      expect(again).toEqual({ ...config, given: expect.anything(), sources: expect.anything() });
      expect(() => refuseUnused(again.given, again)).not.toThrow();
    }
    for (const optimizer of Object.keys(OPTIMIZERS) as OptimizerName[]) {
      const text = renderRunYaml(resolveRun({ model: "m", optimizer }));
      expect(text).toContain(`optimizer: ${optimizer}\n`);
      for (const option of ["momentum", "adamBeta1", "adamBeta2", "adamEpsilon"] as const)
        expect(text.includes(option)).toBe(OPTIMIZERS[optimizer].uses.includes(option));
    }
  });

  test("a flag replaces its alternative in the file's other word for the same length", () => {
    const given = (file: RunSettings, flags: RunSettings) => settle({ flags: { model: "m", ...flags }, file }).given;
    expect(given({ maxSteps: 5, rank: 4 }, { epochs: 1 })).toEqual({ model: "m", rank: 4, epochs: 1 });
    expect(given({ retrainEpochs: 5 }, { retrainSteps: 1 })).toEqual({ model: "m", retrainSteps: 1 });
    expect(given({ searchFraction: 0.5 }, { searchFolds: 3 })).toEqual({ model: "m", searchFolds: 3 });
    expect(given({ searchFolds: 3 }, { searchFraction: 0.5 })).toEqual({ model: "m", searchFraction: 0.5 });
    expect(given({ epochs: 5, retrainSteps: 2 }, { rank: 1 })).toEqual({
      model: "m",
      epochs: 5,
      retrainSteps: 2,
      rank: 1,
    });
  });
});

test("settings are unused if the method ignores them or an alternative takes precedence", () => {
  const idle = (given: object) => unusedSettings(resolveRun({ model: "m", method: "lora", ...given }));
  expect(idle({})).toEqual(expect.arrayContaining(["xi", "hypergradient", "searchFraction"]));
  for (const key of ["rank", "epochs", "learningRate"]) expect(idle({})).not.toContain(key);
  expect(idle({ maxSteps: 5 })).toContain("epochs");
  expect(idle({ maxSteps: 5 })).not.toContain("maxSteps");
  const search = { method: "bidora", retrainSteps: 3, retrainEpochs: 2 };
  expect(idle(search)).toContain("retrainEpochs");
  expect(idle(search)).not.toContain("retrainSteps");
});

describe("YAML", () => {
  test("keys are the flags in camelCase", () => {
    const path = yaml(
      "model: m\nmethod: dora\ntargetModules: [query, value]\ntextColumns: a,b\nrankPattern:\n  layer.0: 4\nmaxGradNorm: null\nshuffle: false\n",
    );
    expect(readRunFile(path)).toEqual({
      model: "m",
      method: "dora",
      targetModules: ["query", "value"],
      textColumns: ["a", "b"],
      rankPattern: { "layer.0": 4 },
      shuffle: false,
    });
    expect(readRunFile(yaml(""))).toEqual({});
  });

  test.each([
    ["model: m\nrnak: 3\n", /line 2: unknown key "rnak"\. Did you mean "rank"\?$/],
    ["\nrank: many\n", /line 2: rank takes a whole number of at least 1; got "many"\.$/],
    ["alpha: .inf\n", /line 1: alpha takes a number above 0; got Infinity\.$/],
    ["textColumns: [1, 2]\n", /line 1: textColumns takes names separated by commas; got \[1,2\]\.$/],
    ["rank: 3\nrank: 4\n", /line 2: not valid YAML/],
    ["- model\n", /should hold lines of the form "key: value"/],
  ])("%j is refused with its line", (text, message) => {
    expect(() => readRunFile(yaml(text))).toThrow(UsageError);
    expect(() => readRunFile(yaml(text))).toThrow(message);
  });

  test("an alias has the value of its anchor", () => {
    const path = yaml("alpha: &n 8\nrank: *n\ntextColumns: &c [a, b]\nlabelColumn: *c\nrankPattern: { x: *n }\n");
    expect(readRunFile(path)).toEqual({
      alpha: 8,
      rank: 8,
      textColumns: ["a", "b"],
      labelColumn: ["a", "b"],
      rankPattern: { x: 8 },
    });
  });

  const tens = (name: string, of: string) => `&${name} [${Array(10).fill(of).join(", ")}]`;
  test.each([
    ["\nrank: *n\n", /line 2: not valid YAML: Unresolved alias .*: n\.$/],
    ["rankPattern: &a { x: *a }\n", /line 1: not valid YAML: Converting circular structure to JSON\.$/],
    [`rankPattern: [${tens("a", "x")}, ${tens("b", "*a")}, ${tens("c", "*b")}]\n`, /line 1: not valid YAML: Excessive/],
    ["? *a\n: 3\n", /line 1: unknown key "\*a"\.$/],
    ["__proto__: 3\n", /line 1: unknown key "__proto__"\.$/],
    ["rank: 3\ntoString: x\n", /line 2: unknown key "toString"\.$/],
    ["rankPattern: { __proto__: 4 }\n", /line 1: rankPattern takes pairs .* got \{"__proto__":4\}\.$/],
  ])("%j is refused", (text, message) => {
    expect(() => readRunFile(yaml(text))).toThrow(UsageError);
    expect(() => readRunFile(yaml(text))).toThrow(message);
  });

  test.each(["[", "- ", "{ a: ", "? "])("unlimited nesting of %j is refused", (open) => {
    const deep = yaml(`rankPattern:\n  ${open.repeat(10_000)}\n`);
    expect(() => readRunFile(deep)).toThrow(/ should hold lines of the form "key: value"; it is nested too deeply\.$/);
  });

  test("names of properties that every object has are unknown settings", () => {
    for (const key of ["constructor", "toString", "__proto__"])
      expect(() => resolveRun({ model: "m", ...JSON.parse(`{"${key}": 1}`) })).toThrow(`Unknown setting "${key}".`);
    expect(resolveRun({ model: "m", rankPattern: { constructor: 4 } }).rankPattern).toEqual({ constructor: 4 });
  });

  test("a missing file is named in the error", () => {
    expect(() => readRunFile(join(folder, "none.yaml"))).toThrow(BidoraError);
    expect(() => readRunFile(join(folder, "none.yaml"))).toThrow(/none\.yaml does not exist/);
  });

  test("run.yaml resolves to the same run", () => {
    const run = resolveRun({
      model: "m",
      task: "glue/mrpc",
      method: "bidora",
      maxSteps: 5,
      xi: 1,
      targetModules: ".*query",
      rankPattern: { "layer.0": 4 },
      labelColumn: ["a", "b"],
      overwrite: true,
      quiet: true,
    });
    const again = resolveRun(readRunFile(yaml(renderRunYaml(run))));
    const { given: _, sources: __, overwrite: ___, quiet: ____, ...settings } = run;
    expect(again).toMatchObject(settings);
    expect(again).toMatchObject({ overwrite: false, quiet: false });
  });

  test("every key of run.yaml can be read back", () => {
    for (const [key, option] of Object.entries(runOptions)) expect(option.help, key).not.toBe("");
  });
});
