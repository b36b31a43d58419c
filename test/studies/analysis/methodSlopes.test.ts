import { join, resolve } from "node:path";
import { expect, test } from "vitest";
import type { AnalyzedLayer, AnalyzedRun, Phase } from "../../../src/base/records/index.js";
import { fitsOf } from "../../../src/studies/analysis/fits.js";
import { methodSlopes } from "../../../src/studies/analysis/methodSlopes.js";

/** A run with one layer of each kind, whose magnitudes move with the kind's slope. */
function run(method: string, slopes: Readonly<Record<string, number>>, phase: Phase = "train"): AnalyzedRun {
  const layers = Object.entries(slopes).map(([kind, slope]): AnalyzedLayer => {
    const steps = [1, 2].map((step) => ({ step, phase, deltaM: slope * step, deltaD: step }));
    return { path: `layer.0.${kind}`, layer: 0, kind, vectors: 4, steps };
  });
  return { name: method, path: method, method, model: "base", layers, fits: fitsOf(layers) };
}

const of = (folder: string) => ({ seedsOf: { folder: resolve(folder), name: folder } });

test("slopes of a method's runs have a mean, a sample deviation and Student's interval", () => {
  const slopes = [1.5, -2, 0.25, 4, 3.5];
  const { methods: found } = methodSlopes(
    slopes.map(() => of("mrpc/bidora")),
    slopes.map((query) => run("bidora", { query }, "search")),
  );
  expect(found.map(({ layers }) => layers)).toEqual(["all", "query"]);
  expect(found[1]).toMatchObject({ name: "mrpc/bidora", method: "bidora", phase: "search", across: null });
  const { seeds, mean, deviation, interval } = found[1]!.slope!;
  expect([seeds, mean]).toEqual([5, 1.45]);
  // numpy.std(ddof=1) and scipy.stats.t.interval
  expect(deviation).toBeCloseTo(2.452039967047846, 12);
  expect(interval!.low).toBeCloseTo(-1.5946097492400544, 10);
  expect(interval!.high).toBeCloseTo(4.4946097492400545, 10);
  expect(found[1]!.within).toEqual(found[1]!.slope);
});

test("methods, variants, tasks and phases are apart, and runs that the caller named are in none", () => {
  const folders = [of(join("a", "dora")), of(join("b", "dora")), of(join("a", "dora")), of(join("a", "dora+es"))];
  const runs = [run("dora", { query: 1 }), run("dora", { query: 2 }), run("dora", { query: 3 }, "retrain")];
  const { methods: found } = methodSlopes(
    [...folders, { seedsOf: undefined }],
    [...runs, run("dora", { query: 4 }), run("dora", { query: 5 })],
  );
  expect(found.filter(({ layers }) => layers === "query").map(({ slope }) => slope?.mean)).toEqual([1, 3, 2, 4]);
  expect(found[1]!.slope).toEqual({ seeds: 1, mean: 1, deviation: null, interval: null });
});

test("the paper's sign stands beside query's slopes of the two methods that it has", () => {
  const signs = (method: string, query: number) =>
    methodSlopes([of("m")], [run(method, { query, value: query })]).methods.map(({ layers, paper }) => [layers, paper]);
  expect(signs("bidora", -1)).toEqual([
    ["all", undefined],
    ["query", { slope: -8.042, hasSameSign: true }],
    ["value", undefined],
  ]);
  expect(signs("dora", 2)[1]).toEqual(["query", { slope: -1.784, hasSameSign: false }]);
  expect(signs("lora", 2)[1]).toEqual(["query", undefined]);
});

test("runs without a slope are not counted", () => {
  const still = run("dora", { query: 0 });
  const layers = still.layers.map((layer) => ({ ...layer, steps: layer.steps.slice(1) }));
  const { methods: found } = methodSlopes(
    [of("m"), of("m")],
    [{ ...still, fits: fitsOf(layers) }, run("dora", { query: 2 })],
  );
  expect(found[1]!.slope).toMatchObject({ seeds: 1, mean: 2 });
  expect(methodSlopes([of("m")], [{ ...still, fits: fitsOf(layers) }]).methods[1]).toMatchObject({
    slope: null,
    within: null,
  });
});

test("runs of a method that saved different steps are noted", () => {
  const [whole, stopped] = [run("dora", { query: 1 }), run("dora", { query: 1 })];
  const layers = stopped.layers.map((layer) => ({ ...layer, steps: layer.steps.slice(0, 1) }));
  const notesOf = (...runs: AnalyzedRun[]) => methodSlopes([of("mrpc/dora"), of("mrpc/dora")], runs).notes;
  expect(notesOf(whole, whole)).toEqual([]);
  expect(notesOf(whole, { ...stopped, layers })).toEqual([
    expect.stringMatching(/^The runs of mrpc\/dora have different saved steps/),
  ]);
});
