import { expect, test } from "vitest";
import { openAdapted } from "./support/adapted.js";
import { casesOf, goldenTensors, withoutPrefix } from "./support/cases.js";
import { expectLog, updateError } from "./support/compare.js";
import { runPhases } from "./support/phases.js";
import { encodeRows } from "./support/rows.js";

test.each(casesOf("training"))("$family $name: twelve steps", async ({ family, file, settings, ...entry }) => {
  const problem = await openAdapted(family, entry);
  const rows = await encodeRows(family, { ...entry, maxLength: settings.maxLength });

  const { start, phases } = runPhases(problem, rows, { ...settings, maxGradNorm: settings.maxGradNorm ?? undefined });

  expect(phases.length).toBe(1);
  const { reports, end } = phases[0]!;
  const logOf = (key: "loss" | "learningRate") => reports.map((report) => report[key]);
  expectLog(logOf("loss"), entry.losses, 1e-5, "loss");
  expectLog(logOf("learningRate"), entry.learningRates, 1e-12, "learning rate");
  expect(updateError(start, end, withoutPrefix(goldenTensors(family, file)))).toBeLessThan(1e-4);
});
