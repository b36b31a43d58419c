// `npm run bench -- methods`: a training step and the memory of each adapter method, in turns, as ratios to LoRA's.
import { parseArgs } from "node:util";
import { machine } from "./machine.js";
import { ownWorker, unpinEnvironment } from "./programs.js";
import { type Clock, compare, ratio, type Side } from "./turns/compare.js";
import type { OwnSpec } from "./turns/protocol.js";

const { values } = parseArgs({
  options: {
    model: { type: "string" },
    methods: { type: "string", default: "lora,dora,miss,delora,hira" },
    targets: { type: "string", default: "all-linear" },
    precision: { type: "string", default: "float32" },
    "base-dtype": { type: "string" },
    rank: { type: "string", default: "8" },
    rows: { type: "string", default: "16" },
    length: { type: "string", default: "64" },
    rounds: { type: "string", default: "9" },
    threads: { type: "string" },
    clock: { type: "string", default: "wall" },
  },
});

const facts = machine(unpinEnvironment());
const { model } = values;
if (model === undefined) throw new Error("--model is missing: give the folder of a checkpoint.");

function sideOf(method: string): Side {
  const spec = {
    ...{ task: "train", unit: "step", kind: "sequence-classification", labels: 2, model, method },
    ...{ rank: Number(values.rank), targets: values.targets, precision: values.precision },
    ...(values["base-dtype"] && { baseDtype: values["base-dtype"] }),
    shape: { rows: Number(values.rows), length: Number(values.length) },
    threads: Number(values.threads ?? facts.cores),
  } as OwnSpec;
  return { program: ownWorker(), spec };
}

const names = ["lora", ...values.methods.split(",").filter((name) => name !== "lora")];
const effort = { rounds: Number(values.rounds), counts: 2, clock: values.clock as Clock };
const found = await compare(Object.fromEntries(names.map((name) => [name, sideOf(name)])), effort);
for (const name of names) {
  const { median, low, high } = ratio(found[name]!, found.lora!);
  const { facts: own, memory } = found[name]!;
  const range = `${low.toFixed(2)} to ${high.toFixed(2)}`;
  const columns = [name.padEnd(8), `${median.toFixed(2)} (${range})`.padEnd(22), String(own.trained).padStart(9)];
  process.stdout.write(`${columns.join("  ")}  ${memory.peakMiB.toFixed(0)} MiB\n`);
}
