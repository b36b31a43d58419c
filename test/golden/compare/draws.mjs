// Writes draws.json beside this file: the rows and the values of Student's distribution that the bootstrap draws, for numpy to compute
// intervals of the same samples.
// Usage, after `npm run build`: node test/golden/compare/draws.mjs
import { writeFileSync } from "node:fs";
import { studentDraws } from "../../../build/js/studies/statistics/draws.js";
import { bootstrapSamples } from "../../../build/js/tasks/metrics/parts/resampling.js";

const settings = { resamples: 200, confidence: 0.9, seed: 5 };
const draws = Array.from(bootstrapSamples(24, settings), (drawn) => JSON.stringify([...drawn]));
const student = [1, 4].map((freedom) => [freedom, [...studentDraws(settings.resamples, freedom, settings.seed)]]);
writeFileSync(
  new URL("draws.json", import.meta.url),
  `{"settings": ${JSON.stringify(settings)},\n"draws": [\n${draws.join(",\n")}\n],\n"student": ${JSON.stringify(Object.fromEntries(student))}}\n`,
);
