import { parseHTML } from "linkedom";
import { expect, test } from "vitest";
import type { Analysis, AnalyzedLayer } from "../../../src/base/records/analysis.js";
import { fitsOf } from "../../../src/studies/analysis/fits.js";
import { methodSlopes } from "../../../src/studies/analysis/methodSlopes.js";
import { renderAnalysis } from "../../../src/studies/report/renderAnalysis.js";

const layer = (at: number, steps: readonly (number | null)[], kind = "query"): AnalyzedLayer => ({
  path: `encoder.layer.${at}.${kind}`,
  layer: at,
  kind,
  vectors: 4,
  steps: steps.map((step, index) => ({
    step,
    phase: "train",
    deltaM: 0.1 * (index + at + 1),
    deltaD: 0.01 * (index + 2 * at),
  })),
});

function page(name: string, layers: readonly AnalyzedLayer[]) {
  const run = { name, path: name, method: "lora", model: "base", layers, fits: fitsOf(layers) };
  const analysis: Analysis = { axis: "in", axisFrom: "asked", runs: [run], notes: [`Left out: ${name}`] };
  const source = renderAnalysis(analysis, "who");
  return { source, document: parseHTML(source).document };
}

/** What each drawn point looks like, wherever it is. */
const looks = (document: ReturnType<typeof page>["document"]): string[] =>
  [...document.querySelectorAll('.wide svg.plot [data-mark="dot"]')].flatMap((group) =>
    [...group.children].map(
      (shape) =>
        `${group.getAttribute("fill")} ${group.getAttribute("stroke")} ${shape.getAttribute("d") ?? shape.getAttribute("r")}`,
    ),
  );

test("each layer has its own color and each step its own marker, for any number of them", () => {
  const steps = Array.from({ length: 40 }, (_, at) => (at === 39 ? null : 10 * (at + 1)));
  const layers = Array.from({ length: 25 }, (_, at) => layer(at, steps));
  const { document } = page("run", layers);
  expect(new Set(looks(document)).size).toBe(40 * 25);
  expect(document.querySelectorAll('[aria-label="Layers"] li')).toHaveLength(25);
  const listed = [...document.querySelectorAll('[aria-label="Steps"] li')].map(({ textContent }) => textContent.trim());
  expect(listed).toHaveLength(40);
  expect(listed.slice(-2)).toEqual(["step 390", "end"]);
});

test("names in an analysis are escaped", () => {
  const { source, document } = page('<b>&"run"', [layer(0, [1, 2]), layer(0, [1, 2], "<i>")]);
  expect(source).not.toMatch(/<b>|<i>/);
  expect(document.querySelector("h1")?.textContent).toBe('Weight decomposition: <b>&"run"');
  expect(document.querySelectorAll("svg.plot")).toHaveLength(2);
});

test("slopes by method stand above those of the runs, with the paper's; an analysis without a comparison has none", () => {
  const runs = [0, 1].map((seed) => {
    const layers = [layer(0, [1, 2, 3]), layer(1, [1, 2])].map((one) => ({
      ...one,
      steps: one.steps.map((step) => ({ ...step, deltaM: step.deltaM * (1 + seed) })),
    }));
    return { name: `mrpc/dora/seed-${seed}`, path: "", method: "dora", model: "base", layers, fits: fitsOf(layers) };
  });
  const seedsOf = { folder: "mrpc/dora", name: "mrpc/dora" };
  const { methods } = methodSlopes([{ seedsOf }, { seedsOf }], runs);
  const rowsOf = (found: Partial<Analysis>) => {
    const analysis: Analysis = { axis: "in", axisFrom: "asked", runs, notes: [], ...found };
    const { document } = parseHTML(renderAnalysis(analysis, "who"));
    return [...document.querySelectorAll("#slopes table")].map((table) =>
      [...table.querySelectorAll("tr")].map((row) => [...row.children].map((cell) => cell.textContent.trim())),
    );
  };
  const [byMethod, byRun] = rowsOf({ methods });
  expect(byMethod).toEqual([
    [
      ...["Method", "Layers", "Phase", "Seeds", "Slope", "95 % interval"],
      "Within layers",
      "Across layers",
      "Paper's slope",
      "Same sign",
    ],
    ["mrpc/dora", "all", "train", "2", "9.808 ± 4.623", "−31.732 to 51.347", "15.000 ± 7.071", "5.000 ± 2.357", "", ""],
    [
      "mrpc/dora",
      "query",
      "train",
      "2",
      "9.808 ± 4.623",
      "−31.732 to 51.347",
      "15.000 ± 7.071",
      "5.000 ± 2.357",
      "−1.784",
      "no",
    ],
  ]);
  expect(byRun![0]!.slice(4, 7)).toEqual(["Slope", "Within layers", "Across layers"]);
  expect(rowsOf({ methods: [] })).toEqual([byRun]);
  // Analyses by earlier versions have neither.
  const earlier = runs.map((run) => ({ ...run, fits: { ...run.fits, all: { ...run.fits.all, within: undefined } } }));
  expect(rowsOf({ runs: earlier as unknown as Analysis["runs"] })[0]![1]![5]).toBe("–");
});

test("the fitted line connects the first and the last point; without a slope the page says why there is none", () => {
  const line = (layers: readonly AnalyzedLayer[]) => {
    const { document } = page("run", layers);
    return [
      document.querySelectorAll('.wide svg.plot [data-mark="line"] path').length,
      document.body.textContent,
    ] as const;
  };
  const [drawn, text] = line([layer(0, [1, 2, 3])]);
  expect([drawn, text]).toEqual([1, expect.stringContaining("slope 10")]);
  const [none, why] = line([layer(0, [1])]);
  expect([none, why]).toEqual([0, expect.stringContaining("a line needs two")]);
});
