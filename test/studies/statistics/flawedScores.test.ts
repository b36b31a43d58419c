import { describe, expect, test } from "vitest";
import type { ComparedTask, Comparison } from "../../../src/base/records/comparison.js";
import type { Findings } from "../../../src/base/records/metrics.js";
import { significance } from "../../../src/studies/statistics/significance.js";
import { comparisonTables } from "../../../src/studies/tables/comparisonTables.js";
import { latexTable, markdownTable } from "../../../src/studies/tables/renderTable.js";
import { terminalTable } from "../../../src/studies/tables/terminalTable.js";
import { run } from "./sampleComparison.js";

const main = { name: "test_accuracy", goal: "maximize" } as const;
const task: ComparedTask = {
  ...{ name: "t", metrics: [main], rows: { split: "test", count: 9 } },
  beside: { rows: { split: "validation" }, metrics: [{ name: "accuracy", goal: "maximize" }] },
};

/** Two methods with three runs each; the better one, `b`, has these flaws. */
const comparison = (...flaws: readonly Findings[]): Comparison => ({
  ...{ methods: ["a", "b"], tasks: [task] },
  runs: [0, 1, 2].flatMap((seed) => [
    run("t", "a", seed, { test_accuracy: 0.5 + seed / 10, accuracy: 0.5 }),
    { ...run("t", "b", seed, { test_accuracy: 0.75, accuracy: 0.75 }), ...flaws[seed] },
    run("t", "c", seed, { test_accuracy: 0.25, accuracy: 0.25 }),
  ]),
  ...{ methods: ["a", "b", "c"] },
});

const cells = (of: Comparison, column: number) =>
  comparisonTables(of)[0]!.columns[column]!.cells.map(({ text, best }) => text + (best ? "*" : ""));
const [reported, beside] = [0, 1];

describe("a score that says nothing about its method", () => {
  test.each([
    [{ constant: ["test"] }, "constant", "Not marked as best: constant (the same prediction for all rows)."],
    [{ untrained: true }, "untrained", "Not marked as best: untrained (no update changed the model that was kept)."],
  ] as const)("has the word beside it and is never the best: %j", (flaw, word, note) => {
    const flawed = comparison(flaw, flaw, flaw);
    expect(cells(flawed, reported)).toEqual(["0.6000 ± 0.1000*", `0.7500 ± 0.0000 (${word})`, "0.2500 ± 0.0000"]);
    const [table] = comparisonTables(flawed);
    expect(table!.notes).toContain(note);
    for (const text of [terminalTable(table!), markdownTable(table!), latexTable(table!)]) {
      expect(text).toMatch(new RegExp(`0\\.7500 .*\\(${word}\\)`));
      expect(text.replaceAll(/\s+/g, " ")).toContain(note);
    }
    // a finished run is tested, whatever its model predicts
    expect(significance(flawed)).toEqual(significance(comparison()));
  });

  test("has the number of such runs beside it if it is not all, and is not the best either", () => {
    expect(cells(comparison({}, { constant: ["test"] }, { untrained: true }), reported)[1]).toBe(
      "0.7500 ± 0.0000 (1 of 3 untrained, 1 of 3 constant)",
    );
    expect(cells(comparison({}, { constant: ["test"] }), reported)[0]).toBe("0.6000 ± 0.1000*");
  });

  test("is marked for the rows that it was measured on alone", () => {
    const shown = comparison(...[0, 1, 2].map(() => ({ constant: ["validation"] }) as const));
    expect(cells(shown, reported)[1]).toBe("0.7500 ± 0.0000*");
    expect(cells(shown, beside)[1]).toBe("0.7500 ± 0.0000 (constant)");
    expect(comparisonTables(shown)[0]!.notes.join("\n")).not.toContain("constant");
  });

  test("leaves no method marked where all rows have the same label", () => {
    const { runs, ...rest } = comparison();
    const single = { ...rest, runs: runs.map((run) => ({ ...run, constantLabels: ["test"] as const })) };
    expect(cells(single, reported)).toEqual([
      "0.6000 ± 0.1000 (constant labels)",
      "0.7500 ± 0.0000 (constant labels)",
      "0.2500 ± 0.0000 (constant labels)",
    ]);
    expect(comparisonTables(single)[0]!.notes).toContain(
      "Not marked as best: constant labels (all rows have the same label).",
    );
  });

  test("is marked in a comparison of an earlier version, which does not name its rows", () => {
    const { rows: _rows, beside: _beside, ...before } = { ...task, metrics: [{ ...main, name: "accuracy" }] } as const;
    const flaw = { constant: ["validation"] } as const;
    expect(cells({ ...comparison(flaw, flaw, flaw), tasks: [before] }, reported)[1]).toBe("0.7500 ± 0.0000 (constant)");
  });
});
