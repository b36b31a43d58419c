// `npm run bench:growth`: how a step's time grows with tokens, rank, layers and length; writes a figure for each, and the numbers.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { drawGrowth, type GrowthPoint } from "./figures/growthFigure.js";
import { METHOD_CHOICES, type MethodChoice, stepOf } from "./figures/methodChoices.js";
import { machine } from "./machine.js";
import { ownWorker, ROOT, unpinEnvironment } from "./programs.js";
import { randomModel } from "./setup/randomModel.js";
import { scratchFolder } from "./setup/scratch.js";
import { peers } from "./setup/venv.js";
import { median } from "./turns/compare.js";
import { startWorker } from "./turns/workerProcess.js";

const { values } = parseArgs({
  options: { output: { type: "string", default: join(ROOT, "bench", "results", "growth") } },
});

interface Place {
  readonly layers: number;
  readonly rank: number;
  readonly rows: number;
  readonly length: number;
}

const BASE: Place = { layers: 6, rank: 8, rows: 16, length: 64 };
const TOKENS = 2048;

interface Sweep {
  readonly name: string;
  readonly axis: string;
  readonly title: string;
  readonly points: readonly (Place & { readonly x: number })[];
}

const SWEEPS: readonly Sweep[] = [
  {
    name: "tokens",
    axis: "tokens per batch",
    title: "6 layers, rank 8, rows of 64 tokens",
    points: [4, 8, 16, 32, 64].map((rows) => ({ ...BASE, rows, x: rows * BASE.length })),
  },
  {
    name: "rank",
    axis: "rank",
    title: "6 layers, 16 rows of 64 tokens",
    points: [2, 8, 32, 128].map((rank) => ({ ...BASE, rank, x: rank })),
  },
  {
    name: "layers",
    axis: "layers",
    title: "rank 8, 16 rows of 64 tokens",
    points: [3, 6, 12, 24].map((layers) => ({ ...BASE, layers, x: layers })),
  },
  {
    name: "length",
    axis: "tokens per row",
    title: `6 layers, rank 8, ${TOKENS} tokens per batch`,
    points: [16, 32, 64, 128, 256, 512].map((length) => ({ ...BASE, length, rows: TOKENS / length, x: length })),
  },
];

async function secondsOf(model: string, { rank, rows, length }: Place, choice: MethodChoice): Promise<number> {
  const spec = stepOf(choice, { model, rank, threads: facts.cores, shape: { rows, length } });
  const { worker } = await startWorker({ program: ownWorker(), spec }, 1);
  try {
    return median((await worker.ask({ command: "run", count: 3 })).seconds);
  } finally {
    await worker.end();
  }
}

const tell = (text: string) => process.stderr.write(`${text}\n`);
const facts = machine(unpinEnvironment());
const scratch = scratchFolder();
const python = await peers(scratch, tell);
const layersOf = SWEEPS.flatMap(({ points }) => points.map(({ layers }) => layers));
const models = new Map<number, string>();
for (const layers of new Set(layersOf))
  models.set(layers, await randomModel(python, join(scratch, `layers-${layers}`), "roberta", layers));

mkdirSync(values.output, { recursive: true });
const results: Record<string, GrowthPoint[]> = {};
for (const { name, axis, title, points } of SWEEPS) {
  const measured: GrowthPoint[] = [];
  for (const place of points) {
    for (const [method, choice] of Object.entries(METHOD_CHOICES)) {
      const seconds = await secondsOf(models.get(place.layers) as string, place, choice);
      tell(`${axis} ${place.x}, ${method}: ${(seconds * 1000).toFixed(0)} ms`);
      measured.push({ x: place.x, method, seconds });
    }
  }
  results[name] = measured;
  writeFileSync(join(values.output, `${name}.svg`), drawGrowth(measured, { axis, title }));
}
writeFileSync(join(values.output, "growth.json"), `${JSON.stringify({ machine: facts, results }, undefined, 2)}\n`);
