// Writes draws.json beside this file: the rows that the bootstrap draws, for numpy to compute intervals of the same samples.
// Usage, after `npm run build`: node test/golden/compare/draws.mjs
import { writeFileSync } from "node:fs";
import { bootstrapSamples } from "../../../build/js/tasks/metrics/parts/resampling.js";

const settings = { resamples: 200, confidence: 0.9, seed: 5 };
const draws = Array.from(bootstrapSamples(24, settings), (drawn) => JSON.stringify([...drawn]));
writeFileSync(
  new URL("draws.json", import.meta.url),
  `{"settings": ${JSON.stringify(settings)},\n"draws": [\n${draws.join(",\n")}\n]}\n`,
);
