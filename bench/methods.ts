// `npm run bench -- methods`: a training step of adapter methods, as ratios to that of the first one, of a base-size RoBERTa with
// random weights. All take turns within one run.
import { join } from "node:path";
import { parseArgs } from "node:util";
import { machine } from "./machine.js";
import { ownWorker, unpinEnvironment } from "./programs.js";
import { randomModel } from "./setup/randomModel.js";
import { scratchFolder } from "./setup/scratch.js";
import { peers } from "./setup/venv.js";
import { type Clock, compare, type Measured, ratio } from "./turns/compare.js";
import type { OwnSpec } from "./turns/protocol.js";

const { values } = parseArgs({
  options: {
    layers: { type: "string", default: "12" },
    methods: { type: "string", default: "lora,dora,oft,prediag" },
    targets: { type: "string", default: "query-value" },
    precision: { type: "string", default: "float32" },
    rank: { type: "string", default: "8" },
    rows: { type: "string", default: "16" },
    length: { type: "string", default: "64" },
    threads: { type: "string" },
    rounds: { type: "string", default: "9" },
    clock: { type: "string", default: "wall" },
  },
});

const { targets, precision } = values;
const facts = machine(unpinEnvironment());
const scratch = scratchFolder();
const python = await peers(scratch, (text) => process.stderr.write(`${text}\n`));
const model = await randomModel(python, join(scratch, "roberta"), "roberta", Number(values.layers));
const shape = { rows: Number(values.rows), length: Number(values.length) };
const methods = values.methods.split(",");

const specOf = (method: string) =>
  ({
    ...{ task: "train", unit: "step", kind: "sequence-classification", labels: 2, rank: Number(values.rank) },
    ...{ model, method, targets, precision, shape, threads: Number(values.threads ?? facts.cores) },
  }) as OwnSpec;

const sides = Object.fromEntries(methods.map((method) => [method, { program: ownWorker(), spec: specOf(method) }]));
const measured = await compare(sides, { rounds: Number(values.rounds), counts: 4, clock: values.clock as Clock });
const first = measured[methods[0]!] as Measured;
for (const method of methods) {
  const { median, low, high } = ratio(measured[method] as Measured, first);
  process.stdout.write(`${method.padEnd(10)} ${median.toFixed(2)} (${low.toFixed(2)} to ${high.toFixed(2)})\n`);
}
