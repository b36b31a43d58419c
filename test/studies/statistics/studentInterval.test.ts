import { expect, test } from "vitest";
import { studentInterval } from "../../../src/studies/statistics/studentInterval.js";

// scipy.stats.t.ppf((1 + confidence) / 2, n - 1)
test.each([
  [2, 0.95, 12.706204736174694],
  [3, 0.95, 4.302652729749462],
  [4, 0.95, 3.1824463052837078],
  [5, 0.95, 2.7764451051977934],
  [6, 0.95, 2.5705818356363146],
  [10, 0.95, 2.262157162798205],
  [31, 0.95, 2.0422724563012378],
  [31, 0.9, 1.697260886593957],
])("%d values with confidence %d", (count, confidence, quantile) => {
  const values = Array.from({ length: count }, (_, at) => at);
  const deviation = Math.sqrt(((count + 1) * count) / 12);
  const half = (quantile * deviation) / Math.sqrt(count);
  const { low, high } = studentInterval(values, confidence)!;
  expect(low).toBeCloseTo((count - 1) / 2 - half, 9);
  expect(high).toBeCloseTo((count - 1) / 2 + half, 9);
});

test("one value has no interval, equal values one without width", () => {
  expect(studentInterval([1])).toBeNull();
  expect(studentInterval([0.1, 0.1, 0.1])).toEqual({ low: 0.1, high: 0.1 });
});
