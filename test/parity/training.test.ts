import { expect, test } from "vitest";
import { expectClose, get } from "./goldenFiles.js";
import { openAdapted } from "./support/adapted.js";
import { casesOf, goldenTensors, withoutPrefix } from "./support/cases.js";
import { expectLog, updateError } from "./support/compare.js";
import { runPhases } from "./support/phases.js";
import { encodeLanguageRows, encodeRows } from "./support/rows.js";

test.each(casesOf("training"))("$family $name: twelve steps", async ({ family, file, settings, ...entry }) => {
  const problem = await openAdapted(family, entry);
  const isLanguage = entry.checkpoint === "lm";
  const kind = isLanguage ? "causal-lm" : "sequence-classification";
  const encode = isLanguage ? encodeLanguageRows : encodeRows;
  const rows = await encode(family, { ...entry, maxLength: settings.maxLength });

  const all = { ...settings, maxGradNorm: settings.maxGradNorm ?? undefined };
  const { start, phases } = runPhases(problem, rows, all, kind);

  expect(phases.length).toBe(1);
  const { reports, end } = phases[0]!;
  const logOf = (key: "loss" | "learningRate") => reports.map((report) => report[key]);
  expectLog(logOf("loss"), entry.losses, 1e-5, "loss");
  expectLog(logOf("learningRate"), entry.learningRates, 1e-12, "learning rate");
  const expected = withoutPrefix(goldenTensors(family, file));
  expect(updateError(start, end, expected)).toBeLessThan(1e-4);
  for (const [name, tensor] of end) expectClose(tensor, get(expected, name), 1e-4, name);
});

test.each(casesOf("training").filter(({ name }) => name.includes("embedding")))(
  "$family $name: what belongs to tokens that never occur decays and is else let be",
  async ({ family, file, settings, learningRates, ...entry }) => {
    const problem = await openAdapted(family, entry);
    const rows = await encodeRows(family, { ...entry, maxLength: settings.maxLength });
    const { start, phases } = runPhases(problem, rows, { ...settings, maxGradNorm: settings.maxGradNorm ?? undefined });
    const name = [...start.keys()].find((key) => key.endsWith("_embedding_A"))!;
    const [before, after] = [start.get(name)!, phases[0]!.end.get(name)!];
    const [rank, vocabulary] = before.shape as [number, number];
    const seen = new Set(rows.flatMap(({ inputIds }) => [...inputIds]));
    const decay = learningRates.reduce((left, rate) => left * (1 - rate * settings.weightDecay), 1);
    const [from, to] = [before.toArray(), after.toArray()];
    const unseen = Array.from({ length: rank * vocabulary }, (_, place) => place).filter(
      (place) => !seen.has(place % vocabulary),
    );
    expect(unseen.length).toBeGreaterThan(10);
    for (const place of unseen) expect(Math.abs(to[place]! - decay * from[place]!)).toBeLessThan(1e-6);
  },
);
