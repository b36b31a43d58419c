// One process that makes many runs, one after the other, alone or as a rank of the group that its environment names: rank.js RUNS RESULTS
import { readFileSync, writeFileSync } from "node:fs";
import { finetune } from "../../../dist/index.js";

const [runs, results] = process.argv.slice(2);
const found = [];
for (const { settings, port } of JSON.parse(readFileSync(String(runs), "utf8"))) {
  process.env.MASTER_PORT = String(port);
  /** @type {number[]} */
  const losses = [];
  /** @param {import("../../../dist/index.js").RunEvent} event */
  const observe = (event) => {
    if (event.event === "step") losses.push(event.loss, ...(event.upperLoss === undefined ? [] : [event.upperLoss]));
  };
  /** @type {Record<string, number>} */
  let metrics = {};
  const error = await finetune(settings, { observers: [observe] }).then((result) => {
    metrics = result.metrics;
  }, String);
  found.push({ losses, metrics, ...(error && { error }) });
}
writeFileSync(String(results), JSON.stringify(found));
