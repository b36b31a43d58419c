import { cpSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseHTML } from "linkedom";
import { beforeAll, describe, expect, test } from "vitest";
import { analyze } from "../../../src/app/commands/analyze.js";
import type { Analysis, AnalyzedRun } from "../../../src/base/records/analysis.js";
import type { RunSettings } from "../../../src/tasks/config/index.js";
import { readTensors } from "../../parity/goldenFiles.js";
import { bidora, fresh, GOLDEN, json, jsonl, readRows, run, SMALL } from "../support.js";

const SAVING = { maxSteps: 6, saveEvery: 2, warmupRatio: 0, dtype: "float32" } as const satisfies RunSettings;
const GPT2 = join(GOLDEN, "gpt2", "single");

const analysisOf = async (path: string, settings: Parameters<typeof analyze>[0] = {}): Promise<AnalyzedRun> => {
  const { analysis } = await analyze({ runs: [path], output: fresh(), ...settings });
  return analysis.runs[0]!;
};

const changes = (analyzed: AnalyzedRun) =>
  analyzed.layers.flatMap(({ steps }) => steps.map(({ deltaM, deltaD }) => [deltaM, deltaD]));

/** ΔM and ΔD of vectors that lie in `count` runs of `length` numbers each, plainly. */
function plainly(before: readonly number[], after: readonly number[], count: number) {
  const length = before.length / count;
  let [deltaM, deltaD] = [0, 0];
  for (let n = 0; n < count; n++) {
    const [a, b] = [before, after].map((all) => all.slice(n * length, (n + 1) * length));
    const dot = a!.reduce((sum, value, at) => sum + value * b![at]!, 0);
    const [normA, normB] = [Math.hypot(...a!), Math.hypot(...b!)];
    deltaM += Math.abs(normB - normA) / count;
    deltaD += (1 - dot / (normA * normB)) / count;
  }
  return { deltaM, deltaD };
}

const turned = (values: readonly number[], columns: number): number[] => {
  const rows = values.length / columns;
  return Array.from({ length: values.length }, (_, at) => values[(at % rows) * columns + Math.floor(at / rows)]!);
};

describe("a comparison's runs", () => {
  const comparison = fresh("comparison");
  const notes: string[] = [];
  let analysis: Analysis;

  beforeAll(async () => {
    for (const method of ["full", "lora", "bidora", "bitfit", "adapter"] as const) {
      const retraining = method === "bidora" ? { retrainSteps: 4 } : {};
      await run({ ...SMALL, ...SAVING, method, ...retraining, output: join(comparison, "task", method, "seed-10") });
    }
    await run({ ...SMALL, ...SAVING, method: "lora", seed: 2, output: join(comparison, "task", "lora", "seed-2") });
    await run({
      ...SMALL,
      method: "lora",
      maxSteps: 2,
      warmupRatio: 0,
      output: join(comparison, "other", "lora", "seed-0"),
    });
    ({ analysis } = await analyze({ runs: [comparison] }, { hub: { onNote: (note) => notes.push(note) } }));
  });

  test("are sorted by name and seed, and a run of a method that changes no weights is left out with a note", async () => {
    expect(analysis.runs.map(({ name, method }) => [name, method])).toEqual([
      ["other/lora/seed-0", "lora"],
      ["task/bidora/seed-10", "bidora"],
      ["task/full/seed-10", "full"],
      ["task/lora/seed-2", "lora"],
      ["task/lora/seed-10", "lora"],
    ]);
    expect(analysis.notes).toEqual([
      expect.stringMatching(/^Left out: .*bitfit.* was trained with bitfit, which leaves/),
      expect.stringMatching(/^Left out: .*adapter.* was trained with adapter, and .* is followed by a bottleneck/),
    ]);
    expect(notes).toEqual(analysis.notes);
    expect(await bidora("analyze", join(comparison, "task", "bitfit", "seed-10"))).toMatchObject({
      status: 1,
      stdout: "",
      stderr: expect.stringContaining("was trained with bitfit"),
    });
  });

  test("have every layer at every saved step, with its phase", () => {
    expect(analysis.axis).toBe("out");
    const stepsOf = (at: number) => analysis.runs[at]!.layers.map(({ steps }) => steps.map(({ step }) => step));
    expect(stepsOf(0)).toEqual(Array(6).fill([2]));
    expect(stepsOf(1)).toEqual(Array(6).fill([2, 4, 6, 8, 10]));
    expect(stepsOf(3)).toEqual(Array(6).fill([2, 4, 6]));
    const { layers, fits } = analysis.runs[1]!;
    expect(layers[0]!.steps.map(({ phase }) => phase)).toEqual(["search", "search", "search", "retrain", "retrain"]);
    expect(fits).toMatchObject({
      phase: "search",
      all: { points: 18 },
      kinds: { query: { points: 9 }, value: { points: 9 } },
    });
    expect(fits.phases).toMatchObject({ search: { points: 18 }, retrain: { points: 12 } });
    // Frozen magnitudes: each layer keeps its ΔM.
    expect(fits.phaseKinds?.retrain?.query).toMatchObject({ points: 6, within: 0 });
    expect(fits.phaseKinds?.search).toEqual(fits.kinds);
    expect(fits.all).toEqual(fits.phases!.search);
    expect(analysis.runs[3]!.fits).toMatchObject({ phase: "train", all: { points: 18 } });
    expect(analysis.runs[3]!.fits.phases).toBeUndefined();
    const frozen = layers[0]!.steps.map(({ deltaM }) => deltaM);
    expect(frozen[3]).toBeCloseTo(frozen[4]!, 14);
  });

  test("are compared with full fine-tuning of the same task", () => {
    const full = analysis.runs[2]!;
    expect(analysis.runs[0]!.fits.all.slope).toBeGreaterThan(0);
    expect(analysis.runs[0]!.againstFull).toBeUndefined();
    expect(full.againstFull).toBeUndefined();
    for (const at of [1, 3, 4]) {
      const { againstFull, fits } = analysis.runs[at]!;
      expect(againstFull).toMatchObject({ runs: ["task/full/seed-10"], slope: full.fits.all.slope });
      expect(againstFull!.phase).toBe(at === 1 ? "search" : "train");
      expect(againstFull!.difference).toBeCloseTo(fits.all.slope! - full.fits.all.slope!, 12);
    }
  });

  test("full fine-tuning is analyzed at the layers that LoRA adapts, by the differences between its files", () => {
    const { layers } = analysis.runs[2]!;
    expect(layers.map(({ path }) => path)).toEqual(analysis.runs[3]!.layers.map(({ path }) => path));
    const read = (folder: string) => readTensors(join(folder, "model.safetensors"));
    const [before, after] = [SMALL.model, join(comparison, "task", "full", "seed-10", "checkpoint-4")].map(read);
    for (const { path, steps } of layers) {
      const [a, b] = [before, after].map((tensors) => tensors!.get(`${path}.weight`)!.toArray());
      const wanted = plainly(a!, b!, 36);
      expect(steps[1]!.deltaM).toBeCloseTo(wanted.deltaM, 13);
      expect(steps[1]!.deltaD).toBeCloseTo(wanted.deltaD, 13);
    }
  });

  test("leave the same numbers in a file, and a self-contained page", () => {
    const [output, data] = [join(comparison, "analysis.html"), join(comparison, "analysis.json")];
    expect(json(data)).toEqual({ madeBy: "bidora analyze", ...analysis });
    const source = readFileSync(output, "utf8");
    expect(source).not.toMatch(/(?:src|href)="(?!#|data:)|@import|url\((?!#|data:)|<script|NaN/);
    const { document } = parseHTML(source);
    const plots = [...document.querySelectorAll("svg.plot")];
    expect(plots).toHaveLength(5 * 2);
    const [of, ...titles] = [...plots[2]!.querySelectorAll("title")].map(({ textContent }) => textContent);
    expect(of).toBe("ΔM over ΔD of task/bidora/seed-10, query");
    expect(plots[2]!.querySelector("desc")?.textContent).toMatch(/^15 points, search: slope/);
    expect(new Set(titles).size).toBe(15);
    const marks = new Set(
      [...plots[2]!.querySelectorAll('[data-mark="dot"]')].map((mark) => mark.getAttribute("fill")),
    );
    expect(marks.size).toBe(3);
    expect(plots[2]!.querySelectorAll('[data-mark="line"] path')).toHaveLength(1);
  });

  test("a second call replaces the files of the first and prints the same", async () => {
    const again = await bidora("analyze", comparison, "--json");
    const [output, data] = [join(comparison, "analysis.html"), join(comparison, "analysis.json")];
    expect(again.status).toBe(0);
    expect(again.stderr).toContain("Left out");
    expect(JSON.parse(again.stdout)).toEqual({ output, data, ...analysis });
    const { stdout } = await bidora("analyze", join(comparison, "task", "full", "seed-10"), "--quiet");
    expect(stdout).toMatch(/seed-10 +full +query +– +\S+/);
    expect(stdout).not.toContain("phase of");
  });
});

describe("a BiDoRA run's phases", () => {
  const bidoraRun = (settings: RunSettings) => run({ ...SMALL, ...SAVING, method: "bidora", ...settings });
  const phasesOf = ({ layers }: AnalyzedRun) => layers[0]!.steps.map(({ step, phase }) => [step, phase]);

  test("are separate lines in the terminal and on the page, and the phase used for comparison is named", async () => {
    const { output } = await bidoraRun({ retrainSteps: 4 });
    const { stdout } = await bidora("analyze", output, "--quiet");
    const rows = stdout.split("\n").map((line) => line.trim().split(/ +/).slice(1, 4).join(" "));
    expect(rows.filter((row) => row.startsWith("bidora"))).toEqual([
      "bidora all search",
      "bidora query search",
      "bidora value search",
      "bidora all retrain",
      "bidora query retrain",
      "bidora value retrain",
    ]);
    const sentence =
      /For \S+, the search is the phase that is compared with full fine-tuning, because magnitudes and directions/;
    expect(stdout).toMatch(sentence);
    const { document } = parseHTML(readFileSync(join(output, "analysis.html"), "utf8"));
    expect(document.querySelector("#slopes")?.textContent).toMatch(sentence);
    const cells = [...document.querySelectorAll("#slopes tbody tr")].map((row) => row.querySelectorAll("td")[2]);
    expect(cells.map((cell) => cell?.textContent)).toEqual([
      ...["search", "search", "search"],
      ...["retrain", "retrain", "retrain"],
    ]);
  });

  test("of a run without retraining contain the search only", async () => {
    const analyzed = await analysisOf((await bidoraRun({ retrainSteps: 0 })).output);
    expect(analyzed.fits).toMatchObject({ phase: "search", all: { points: 18 } });
    expect(analyzed.fits.phases).toBeUndefined();
  });

  test("of a run that saved only its end say that the search is missing", async () => {
    const { output } = await bidoraRun({ saveEvery: undefined });
    expect((await analysisOf(output)).fits).toMatchObject({ phase: "retrain", all: { points: 6 } });
    expect((await bidora("analyze", output, "--quiet")).stdout).toMatch(
      /The line of \S+ fits retraining only, .* Use --save-every to keep steps of the search/,
    );
  });

  test.each([[{ retrainSteps: 4 }], [{ retrainSteps: 0 }]])(
    "leave out what a search with patience threw away: %o",
    async (retraining) => {
      const settings = { maxSteps: 40, saveEvery: 1, searchPatience: 1, learningRate: 3e-2, ...retraining };
      const { output, events } = await bidoraRun(settings);
      const passes = events.flatMap((event) =>
        event.event === "step" && event.upperPassLoss !== undefined ? [[event.upperPassLoss, event.step] as const] : [],
      );
      const [, best] = passes.reduce((a, b) => (b[0] < a[0] ? b : a));
      const search = phasesOf(await analysisOf(output)).filter(([, phase]) => phase === "search");
      expect(search.map(([step]) => step)).toEqual(Array.from({ length: best }, (_, at) => at + 1));
      expect(passes.at(-1)![1]).toBeGreaterThan(best);
    },
  );
});

test("full fine-tuning is analyzed at the layers of the runs beside it, and each pair at its common layers", async () => {
  const comparison = fresh("targets");
  const at = (method: string) => join(comparison, "task", method, "seed-0");
  const targetModules = ["query", "key", "output.dense"];
  await run({ ...SMALL, ...SAVING, method: "full", output: at("full") });
  await run({ ...SMALL, ...SAVING, method: "lora", targetModules, output: at("lora") });
  await run({ ...SMALL, ...SAVING, method: "dora", targetModules: ["key"], output: at("dora") });
  const { analysis } = await analyze({ runs: [comparison], output: fresh() });
  const [dora, full, lora] = analysis.runs as [AnalyzedRun, AnalyzedRun, AnalyzedRun];
  const paths = ({ layers }: AnalyzedRun) => layers.map(({ path }) => path).sort();
  expect(paths(full)).toEqual(paths(lora));
  expect(lora.againstFull?.slope).toBe(full.fits.all.slope);
  expect(dora.againstFull?.slope).toBe(full.fits.kinds.key?.slope);
  expect(dora.againstFull?.difference).toBe(dora.fits.all.slope! - full.fits.kinds.key!.slope!);
  const others = fresh("other-task");
  const other = jsonl(...readRows(SMALL.train));
  await run({ ...SMALL, ...SAVING, method: "lora", train: other, output: others });
  const named = await analyze({ runs: [at("full"), others], output: fresh() });
  expect(named.analysis.runs[1]?.againstFull).toBeUndefined();
}, 100_000);

test("GPT-2's weights, which are transposed in files, are analyzed along both axes", async () => {
  const { output } = await run({ ...SMALL, ...SAVING, model: GPT2, method: "full" });
  const read = (folder: string) => readTensors(join(folder, "model.safetensors"));
  const [before, after] = [read(GPT2), read(output)];
  for (const axis of ["out", "in"] as const) {
    const { layers } = await analysisOf(output, { axis });
    expect(layers.map(({ kind }) => kind)).toEqual(Array(layers.length).fill("c_attn"));
    for (const { path, vectors, steps } of layers) {
      const [a, b] = [before, after].map((tensors) => tensors!.get(`${path}.weight`)!);
      const [inputs, outputs] = a!.shape as [number, number];
      expect(vectors).toBe(axis === "out" ? outputs : inputs);
      const [from, to] = [a!.toArray(), b!.toArray()].map((all) => (axis === "in" ? all : turned(all, outputs)));
      const wanted = plainly(from!, to!, vectors);
      expect(steps.at(-1)!.deltaM).toBeCloseTo(wanted.deltaM, 13);
      expect(steps.at(-1)!.deltaD).toBeCloseTo(wanted.deltaD, 13);
    }
  }
});

test.each([
  ["dora", {}],
  ["dora", { magnitudeAxis: "in" }],
  ["dora", { dtype: "bfloat16" }],
  ["lora", {}],
  ["vera", {}],
  ["ia3", {}],
  ["adalora", {}],
  ["full", {}],
] as const)("a run with --method %s %o and learning rate 0 has changes of exactly zero", async (method, settings) => {
  const { output } = await run({ ...SMALL, ...SAVING, learningRate: 0, method, ...settings });
  for (const axis of ["out", "in"] as const) {
    const analyzed = await analysisOf(output, { axis });
    expect(new Set(changes(analyzed).flat())).toEqual(new Set([0]));
    expect(analyzed.fits.all).toMatchObject({ slope: null, note: expect.stringContaining("no slope") });
  }
});

test("magnitudes along the input axis are analyzed along it, and frozen ones have changes of zero", async () => {
  const settings = {
    magnitudeAxis: "in",
    upperLearningRate: 0,
    retrainSteps: 2,
    targetModules: ["intermediate.dense"],
  };
  const { output } = await run({ ...SMALL, ...SAVING, method: "bidora", ...settings } as RunSettings);
  const { analysis } = await analyze({ runs: [output], output: fresh() });
  expect(analysis).toMatchObject({ axis: "in", axisFrom: "runs" });
  const [one] = analysis.runs as [AnalyzedRun];
  expect(one.layers[0]).toMatchObject({ vectors: 36 });
  for (const [deltaM, deltaD] of changes(one)) {
    expect(deltaM).toBe(0);
    expect(deltaD).toBeGreaterThan(0);
  }
  expect(one.fits.all).toMatchObject({ slope: 0, correlation: null });
});

test("full fine-tuning is analyzed at the --target-modules that the pretrained model has", async () => {
  const { output } = await run({ ...SMALL, ...SAVING, method: "full" });
  const whole = await analysisOf(output, { targetModules: "all-linear" });
  const kinds = Object.keys(whole.fits.kinds);
  expect(kinds).toEqual([
    "query",
    "key",
    "value",
    "attention.output.dense",
    "intermediate.dense",
    "output.dense",
    "pooler.dense",
  ]);
  const model = join(GOLDEN, "bert", "no-prefix");
  const bare = await run({ ...SMALL, ...SAVING, model, task: "sequence-classification", method: "full" });
  const { fits } = await analysisOf(bare.output, { targetModules: "all-linear" });
  expect(Object.keys(fits.kinds)).toEqual(kinds.slice(0, -1));
  await expect(analysisOf(output, { targetModules: ["gone"] })).rejects.toMatchObject({ code: "TARGET" });
  const copy = fresh("moved");
  cpSync(output, copy, { recursive: true });
  writeFileSync(join(copy, "run.yaml"), "method: full\n");
  await expect(analysisOf(copy)).rejects.toMatchObject({
    code: "USAGE",
    message: expect.stringMatching(/^--model is missing, and .* does not say which model was fine-tuned/),
  });
  expect((await analysisOf(copy, { model: SMALL.model })).fits).toEqual((await analysisOf(output)).fits);
});

test("checkpoints after a run's end are ignored, and --overwrite removes the analysis with the run", async () => {
  const { output } = await run({ ...SMALL, ...SAVING, method: "lora" });
  cpSync(join(output, "checkpoint-4"), join(output, "checkpoint-20"), { recursive: true });
  await analyze({ runs: [output] });
  const [one] = json<Analysis>(join(output, "analysis.json")).runs as [AnalyzedRun];
  expect(one.layers[0]!.steps.map(({ step }) => step)).toEqual([2, 4, 6]);
  await run({ ...SMALL, maxSteps: 1, method: "lora", output, overwrite: true });
  expect(existsSync(join(output, "analysis.json")) || existsSync(join(output, "analysis.html"))).toBe(false);
});

test("a --model other than the one that the run started from is refused", async () => {
  const model = fresh("base");
  cpSync(SMALL.model, model, { recursive: true });
  const runs: string[] = [];
  for (const method of ["lora", "full"] as const)
    runs.push((await run({ ...SMALL, ...SAVING, maxSteps: 2, saveEvery: 1, model, method })).output);
  const weights = join(model, "model.safetensors");
  const bytes = readFileSync(weights);
  bytes.writeFloatLE(0.5, bytes.length - 4);
  writeFileSync(weights, bytes);
  for (const path of runs) {
    await expect(analysisOf(path)).rejects.toMatchObject({ code: "MODEL_CHANGED" });
    expect((await analysisOf(path, { model: SMALL.model })).layers.length).toBeGreaterThan(0);
  }
});
