import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { METRICS, readFindings, readMetrics, writeMetrics } from "../../../src/base/records/metrics.js";
import { freshPath } from "../../support/workFolder.js";

function folder(): string {
  const path = freshPath("metrics");
  mkdirSync(path, { recursive: true });
  return path;
}

test("findings stand beside the metrics, and are none of them", () => {
  const run = folder();
  writeMetrics(run, { accuracy: 0.5, loss: 0.7 }, { untrained: true });
  expect(JSON.parse(readFileSync(join(run, METRICS), "utf8"))).toEqual({ accuracy: 0.5, loss: 0.7, untrained: true });
  expect(readMetrics(run)).toEqual({ accuracy: 0.5, loss: 0.7 });
  expect(readFindings(run)).toEqual({ untrained: true });
});

test("a run without findings has metrics alone", () => {
  const run = folder();
  writeMetrics(run, { accuracy: 0.5 });
  expect(JSON.parse(readFileSync(join(run, METRICS), "utf8"))).toEqual({ accuracy: 0.5 });
  expect(readFindings(run)).toEqual({});
});
