import { describe, expect, it } from "vitest";
import { formatNumber } from "../../../src/base/index.js";
import { renderReport } from "../../../src/studies/report/renderReport.js";
import { all, changed, parse, texts } from "./page.js";
import { sampleRun } from "./sampleRuns.js";

/** The page of runs whose upper level has these values after each step of the search, times the step. */
function pageOf(...all: readonly Readonly<Record<string, number>>[]) {
  const logs = all.map((values, i) =>
    changed(sampleRun({ name: `run ${i + 1}`, method: "bidora", steps: 4 }), (event) => {
      if (event.event !== "step" || event.phase !== "search") return event;
      const { step } = event;
      return {
        ...event,
        upper: Object.fromEntries(Object.entries(values).map(([name, value]) => [name, value * step])),
      };
    }),
  );
  return parse(renderReport(logs));
}

const panels = (page: ReturnType<typeof parse>) => texts(page, "#upper-values h3");
const lines = (page: ReturnType<typeof parse>) =>
  all(page, "#upper-values svg.plot").map((svg) => all(svg, '[data-mark="line"]').length);
const table = (page: ReturnType<typeof parse>, place: number) => {
  const [found] = all(page, "#upper-values details table").slice(place);
  return all(found!, "tr").map((row) => texts(row, "th, td"));
};

describe("values of an upper level", () => {
  it("have a panel for each kind and a curve for each layer, and their numbers in tables", () => {
    const page = pageOf({ "lora_A.0": 0.5, "lora_A.10": 2, "lora_A.2": 1, head: 3 });
    expect(panels(page)).toEqual(["lora_A.N", "head"]);
    expect(texts(page, "#upper-values .legend li")).toEqual(["0", "2", "10", "head"]);
    expect(table(page, 0)).toEqual([
      ["Step", "lora_A.0", "lora_A.10", "lora_A.2"],
      ...[1, 2, 3, 4].map((step) => [String(step), ...[0.5, 2, 1].map((value) => formatNumber(value * step))]),
    ]);
    expect(table(page, 1).at(-1)).toEqual(["4", formatNumber(12)]);
    expect(lines(page).slice(0, 1)).toEqual([3]);
  });

  it("without numbers share a panel, and names of a log are text", () => {
    const page = pageOf({ "<b>wiki</b>": 0.5, __proto__x: 1, news: 0.5 });
    expect(panels(page)).toEqual(["others"]);
    expect(texts(page, "#upper-values .legend li")).toContain("<b>wiki</b>");
  });

  it("of several runs have panels of their own, and a run without them has none", () => {
    expect(panels(pageOf({ head: 1 }, {}, { head: 2 }))).toEqual(["run 1 · head", "run 3 · head"]);
    expect(all(pageOf({}), "#upper-values")).toEqual([]);
  });
});
