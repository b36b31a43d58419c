// `npm run bench:products`: every way to multiply by a frozen weight, and how close to the fastest the program's choice comes.
// See README.md.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { machine } from "./machine.js";
import { ROWS, WEIGHTS } from "./products/shapes.js";
import { ROOT, unpinEnvironment } from "./programs.js";
import type { Clock } from "./turns/compare.js";

const HELP = `npm run bench:products -- [options]
  --quick         BERT base with 64 and 782 rows, few turns: an impression, not a result
  --models a,b    of ${Object.keys(WEIGHTS).join(", ")}
  --rows n,n      numbers of rows (${ROWS.join(",")})
  --types a,b     bfloat16,float32
  --threads N     (all cores)
  --clock C       wall, or cpu: processor time, which with --threads 1 can be trusted on a busy machine
  --output FOLDER for products.json (bench/results)`;

const { values } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    models: { type: "string" },
    rows: { type: "string" },
    types: { type: "string", default: "bfloat16,float32" },
    threads: { type: "string" },
    clock: { type: "string", default: "wall" },
    output: { type: "string", default: join(ROOT, "bench", "results") },
    help: { type: "boolean", default: false },
  },
});

/** The program must reach at least this share of the fastest way's rate. */
const GOAL = 0.85;

const say = (text: string) => void process.stdout.write(`${text}\n`);

async function main(): Promise<void> {
  if (values.help) return say(HELP);
  const facts = machine(unpinEnvironment());
  say(`${facts.processor}, bfloat16 in hardware: ${facts.bfloat16}, load ${facts.loadAverage}`);
  const { measureProducts } = await import("./products/run.js"); // loads libtorch, which reads the environment
  const rates = measureProducts(
    {
      models: values.models?.split(",") ?? (values.quick ? ["BERT base"] : Object.keys(WEIGHTS)),
      rows: values.rows?.split(",").map(Number) ?? (values.quick ? [64, 782] : ROWS),
      types: values.types.split(",") as ("bfloat16" | "float32")[],
      threads: Number(values.threads ?? facts.cores),
      timing: { turns: 3, seconds: values.quick ? 0.1 : 0.5, clock: values.clock as Clock },
    },
    say,
  );
  mkdirSync(values.output, { recursive: true });
  writeFileSync(join(values.output, "products.json"), `${JSON.stringify({ machine: facts, rates }, undefined, 2)}\n`);
  process.exitCode = rates.every(({ share }) => share >= GOAL) ? 0 : 1;
}

try {
  await main();
} catch (error) {
  process.stderr.write(`bench:products: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
