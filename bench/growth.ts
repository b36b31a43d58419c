// `npm run bench -- growth`: how the time and the memory of a training step grow with threads, rows, the length of rows and the rank.
import { join } from "node:path";
import { parseArgs } from "node:util";
import { machine } from "./machine.js";
import { ownWorker, unpinEnvironment } from "./programs.js";
import { writePlainModel } from "./setup/plainModel.js";
import { scratchFolder } from "./setup/scratch.js";
import { compare, type Measured, median, type Side } from "./turns/compare.js";
import type { OwnSpec } from "./turns/protocol.js";

const { values } = parseArgs({
  options: {
    only: { type: "string", default: "threads,rows,length,rank" },
    methods: { type: "string", default: "lora,bidora" },
    precision: { type: "string", default: "bfloat16" },
    rounds: { type: "string", default: "3" },
  },
});

const facts = machine(unpinEnvironment());

/** A step's sizes. */
interface Point {
  readonly threads: number;
  readonly rows: number;
  readonly length: number;
  readonly rank: number;
}

const USUAL: Point = { threads: facts.cores, rows: 16, length: 64, rank: 8 };

/** The tokens of a step along the axis of lengths: the longer the rows, the fewer. */
const TOKENS = 4096;

/** The points along each axis. */
const AXES: Readonly<Record<string, readonly Point[]>> = {
  threads: [1, 2, 4, 8, 16].filter((threads) => threads <= facts.cores).map((threads) => ({ ...USUAL, threads })),
  rows: [1, 4, 16, 64].map((rows) => ({ ...USUAL, rows })),
  length: [16, 64, 256, 1024, 4096].map((length) => ({ ...USUAL, length, rows: TOKENS / length })),
  rank: [1, 4, 16, 64, 256].map((rank) => ({ ...USUAL, rank })),
};

const model = writePlainModel(join(scratchFolder(), "long"), "long", new Map());

function sideOf(method: string, { rows, length, ...point }: Point): Side {
  const spec = {
    ...{ task: "train", unit: "step", kind: "sequence-classification", labels: 2, model, method },
    ...{
      targets: "all-linear",
      precision: values.precision,
      hypergradient: "exact",
      shape: { rows, length },
      ...point,
    },
  };
  return { program: ownWorker(), spec: spec as OwnSpec };
}

function cellsOf({ rounds, memory }: Measured, { rows, length }: Point): string {
  const seconds = median(rounds);
  const speed = `${((rows * length) / seconds).toFixed(0)} tokens/s`;
  return `${(1000 * seconds).toFixed(1)} ms | ${speed} | ${memory.peakMiB.toFixed(0)} MiB`;
}

const methods = values.methods.split(",");
const effort = { rounds: Number(values.rounds), counts: 2, clock: "wall" } as const;
for (const axis of values.only.split(",")) {
  const points = AXES[axis];
  if (!points) throw new Error(`--only takes ${Object.keys(AXES).join(", ")}; got ${axis}.`);
  const columns = methods.map((method) => `${method}: a step | speed | peak memory`);
  process.stdout.write(`\n| ${axis} | ${columns.join(" | ")} |\n|${"---|".repeat(1 + 3 * methods.length)}\n`);
  for (const point of points) {
    const sides = await compare(Object.fromEntries(methods.map((method) => [method, sideOf(method, point)])), effort);
    const cells = methods.map((method) => cellsOf(sides[method]!, point));
    process.stdout.write(`| ${point[axis as keyof Point]} | ${cells.join(" | ")} |\n`);
  }
}
