// `npm run bench -- profile`: where the time of a training step or a generation goes, from libtorch's profiler.
import { parseArgs } from "node:util";
import { machine } from "./machine.js";
import { ownWorker, unpinEnvironment } from "./programs.js";
import { randomIds, seeded } from "./setup/chatRows.js";
import type { GenerateSpec, OwnSpec, ProfileRow } from "./turns/protocol.js";
import { startWorker } from "./turns/workerProcess.js";

const { values } = parseArgs({
  options: {
    model: { type: "string" },
    kind: { type: "string", default: "sequence-classification" },
    method: { type: "string", default: "lora" },
    targets: { type: "string", default: "query-value" },
    precision: { type: "string", default: "bfloat16" },
    hypergradient: { type: "string", default: "exact" },
    rows: { type: "string", default: "16" },
    length: { type: "string", default: "64" },
    generate: { type: "string" },
    threads: { type: "string" },
    steps: { type: "string", default: "3" },
    json: { type: "boolean", default: false },
  },
});

const facts = machine(unpinEnvironment());
const { model, kind, method, targets, precision, hypergradient } = values;
if (model === undefined) throw new Error("--model is missing: give the folder of a checkpoint.");
const [rows, length] = [Number(values.rows), Number(values.length)];
const common = { model, precision, threads: Number(values.threads ?? facts.cores) };
const random = seeded();
const spec =
  values.generate === undefined
    ? ({
        ...{ task: "train", unit: "step", kind, labels: kind === "causal-lm" ? 0 : 2, rank: 8 },
        ...{ method, targets, hypergradient, shape: { rows, length }, ...common },
      } as OwnSpec)
    : ({
        ...{ task: "generate", prompts: Array.from({ length: rows }, () => randomIds(length, random)) },
        ...{ newTokens: Number(values.generate), ...common },
      } as GenerateSpec);

function table(title: string, rows: readonly ProfileRow[], total: number): string {
  const lines = rows
    .slice(0, 30)
    .map(({ pass, name, calls, milliseconds }) =>
      [
        pass.padEnd(21),
        name.padEnd(56),
        calls.toFixed(0).padStart(6),
        milliseconds.toFixed(2).padStart(9),
        `${((milliseconds / total) * 100).toFixed(1)} %`.padStart(8),
      ].join(" "),
    );
  return [title, ...lines, ""].join("\n");
}

const { worker } = await startWorker({ program: ownWorker(), spec });
try {
  const metered = await worker.ask({ command: "meter", count: Number(values.steps) });
  const profiled = await worker.ask({ command: "profile", count: Number(values.steps) });
  if (values.json) process.stdout.write(`${JSON.stringify({ facts, spec, metered, profiled }, undefined, 2)}\n`);
  else {
    const { seconds, nativeSeconds, calls, pageFaults } = metered;
    const outside = ((1 - nativeSeconds / seconds) * 100).toFixed(2);
    process.stdout.write(
      `One step: ${(seconds * 1000).toFixed(0)} ms, ${calls.toFixed(0)} native calls, ${outside} % of the time outside them, ${pageFaults.toFixed(0)} page faults\n\n`,
    );
    const total = profiled.seconds * 1000;
    process.stdout.write(table("Outermost operators and backward nodes, ms per step", profiled.nodes, total));
    process.stdout.write(table("\nOperators by self time, ms per step", profiled.kernels, total));
  }
} finally {
  await worker.end();
}
