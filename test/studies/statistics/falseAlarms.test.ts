import { expect, test } from "vitest";
import { falseAlarms, resampledMeans, storedRuns } from "./falseAlarms.js";

const LIMIT = 0.07;
// three standard errors of a share of 200 around it
const ABOVE = 3 * Math.sqrt((LIMIT * (1 - LIMIT)) / 200);

test("groups of one method's runs rarely differ", () => {
  const runs = storedRuns();
  expect(runs).toHaveLength(24);
  const means = resampledMeans(
    runs.map(({ accuracy }) => accuracy),
    500,
  );
  for (const seeds of [2, 6]) expect(falseAlarms(means, seeds, 200), `${seeds} seeds`).toBeLessThan(LIMIT + ABOVE);
});
