// `npm run bench -- memory`: over 1 000 training steps on batches of all lengths, resident memory must stay as it was at step 200.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { quickstartModel } from "../src/app/quickstart/models.js";
import { LabelMap } from "../src/tasks/data/index.js";
import { namedDatasets } from "../src/tasks/datasets/index.js";
import { encodeExamples, TASKS, type Task } from "../src/tasks/index.js";
import { loadTokenizer } from "../src/text/index.js";
import { machine } from "./machine.js";
import { ownWorker, ROOT, unpinEnvironment } from "./programs.js";
import { scratchFolder } from "./setup/scratch.js";
import type { OwnSpec } from "./turns/protocol.js";
import { WorkerProcess } from "./turns/workerProcess.js";

const STEPS = 1000;
const REFERENCE = 200;
const ALLOWED = 0.05;

const { values } = parseArgs({
  options: {
    method: { type: "string", default: "dora" },
    data: { type: "string", default: join(ROOT, "..", "shared", "data") },
  },
});

async function writeRows(model: string, file: string): Promise<void> {
  const set = namedDatasets["glue/mrpc"];
  const { examples } = await set.load(join(values.data, "glue", "MRPC"), "train");
  const encoding = { labels: new LabelMap(set.labelNames), maxLength: 512 };
  const rows = await encodeExamples(TASKS[set.task] as Task, examples, await loadTokenizer(model), encoding);
  writeFileSync(file, JSON.stringify({ rows: rows.map(({ inputIds: ids, target: label }) => ({ ids, label })) }));
}

/** Resident MiB after every 100 steps. */
async function residentBySteps(spec: OwnSpec): Promise<Map<number, number>> {
  const worker = new WorkerProcess(ownWorker());
  const resident = new Map<number, number>();
  try {
    await worker.ask({ command: "prepare", spec });
    for (let step = 100; step <= STEPS; step += 100) {
      await worker.ask({ command: "run", count: 100 });
      const { residentMiB } = await worker.ask({ command: "memory" });
      resident.set(step, residentMiB);
      process.stdout.write(`step ${String(step).padStart(4)}: ${residentMiB.toFixed(0)} MiB\n`);
    }
    return resident;
  } finally {
    await worker.end();
  }
}

const facts = machine(unpinEnvironment());
const scratch = scratchFolder();
const model = process.env.BENCH_MODEL ?? (await quickstartModel());
const data = join(scratch, "rows.json");
await writeRows(model, data);
const common = {
  model,
  kind: "sequence-classification",
  labels: 2,
  rank: 8,
  threads: facts.cores,
  targets: "query-value",
  unit: "step",
  batchSize: 16,
  data,
} as const;
const method = values.method as OwnSpec["method"];
const resident = await residentBySteps({
  ...common,
  task: "train",
  method,
  precision: "bfloat16",
  hypergradient: "exact",
});
const growth = (resident.get(STEPS) as number) / (resident.get(REFERENCE) as number) - 1;
const isFlat = Math.abs(growth) <= ALLOWED;
process.stdout.write(
  `From step ${REFERENCE} to ${STEPS}: ${(100 * growth).toFixed(1)} % (at most ${100 * ALLOWED} %): ${isFlat ? "flat" : "NOT flat"}\n`,
);
process.exitCode = isFlat ? 0 : 1;
