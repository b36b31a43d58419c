import { parseHTML } from "linkedom";
import { expect, test } from "vitest";
import type { Analysis, AnalyzedLayer } from "../../../src/base/records/analysis.js";
import { fitsOf } from "../../../src/studies/analysis/fits.js";
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
