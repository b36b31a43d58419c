// `npm run bench`: measures bidora against its peers on this machine, in one run. See README.md.
import { execFile } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs, promisify } from "node:util";
import { resolveDevice } from "../src/torch/index.js";
import { COMPARISONS, GROUPS } from "./comparisons/index.js";
import type { Context } from "./context.js";
import { goalsFor } from "./goals.js";
import { machine } from "./machine.js";
import { ROOT, unpinEnvironment } from "./programs.js";
import { markdown, type Results, tableLines } from "./report.js";
import type { Row } from "./rows.js";
import { randomModel } from "./setup/randomModel.js";
import { scratchFolder } from "./setup/scratch.js";
import { peers } from "./setup/venv.js";
import { workerOf } from "./turns/before.js";
import type { Clock } from "./turns/compare.js";
import type { Shape } from "./turns/protocol.js";

/** The comparisons that are measured on a card, too. */
const ON_CARD = ["lora", "dora", "bidora", "float32", "language"];

const HELP = `npm run bench -- [options]
  --only a,b      some of ${Object.keys({ ...COMPARISONS, ...GROUPS }).join(", ")}
  --shapes R×L,…  batches without padding: rows × tokens (16x64,32x128; quick: 16x64)
  --quick         the smaller batches, few rounds: an impression, not a result
  --rounds N      rounds, in each of which every side takes a turn (7; quick: 3)
  --device D      both sides on this device, such as cuda; only ${ON_CARD.join(", ")}
  --threads N     threads of each side (all cores)
  --clock C       wall, or cpu: processor time, which with --threads 1 is reliable on a busy machine
  --before FOLDER another checkout of bidora, set up, to compare with
  --libtorch FOLDER another libtorch (as in LIBTORCH, or "system"), for the comparison libtorch
  --data FOLDER   folder with glue/ and tokenizers/ (../shared/data)
  --output FOLDER folder for results.md and results.json (bench/results)
BENCH_VENV names a Python environment with torch, transformers and peft to use instead of a throw-away one; BENCH_MODEL names
a folder with the MiniLM encoder.`;

const { values } = parseArgs({
  options: {
    only: { type: "string" },
    shapes: { type: "string" },
    quick: { type: "boolean", default: false },
    rounds: { type: "string" },
    device: { type: "string" },
    threads: { type: "string" },
    clock: { type: "string", default: "wall" },
    before: { type: "string" },
    libtorch: { type: "string" },
    data: { type: "string", default: join(ROOT, "..", "shared", "data") },
    output: { type: "string", default: join(ROOT, "bench", "results") },
    help: { type: "boolean", default: false },
  },
});

const tell = (text: string) => process.stderr.write(`${text}\n`);

function chosenNames(): string[] {
  const possible = values.device === undefined ? Object.keys(COMPARISONS) : ON_CARD;
  const names = values.only?.split(",").flatMap((name) => GROUPS[name] ?? [name]) ?? possible;
  const unknown = names.find((name) => !possible.includes(name));
  if (unknown !== undefined) throw new Error(`--only takes ${possible.join(", ")}; got ${unknown}.`);
  if (values.only !== undefined && names.includes("libtorch") !== (values.libtorch !== undefined))
    throw new Error("--libtorch FOLDER and --only with libtorch must be given together.");
  return names;
}

function chosenShapes(): Shape[] {
  const words = (values.shapes ?? (values.quick ? "16x64" : "16x64,32x128")).split(",");
  return words.map((word) => {
    const [, rows, length] = /^(\d+)[x×](\d+)$/.exec(word) ?? [];
    if (!rows || !length) throw new Error(`--shapes takes rows x tokens, such as 16x64; got ${word}.`);
    return { rows: Number(rows), length: Number(length) };
  });
}

/** Measures one comparison after the other; a failing one is reported and left out. */
async function measure(
  names: readonly string[],
  context: Context,
  onRows: (rows: readonly Row[]) => void,
): Promise<void> {
  const rows: Row[] = [];
  const comparisons = names.flatMap((name) => COMPARISONS[name]?.(context) ?? []);
  for (const [i, comparison] of comparisons.entries()) {
    const minutes = (performance.now() / 60000).toFixed(1);
    tell(`Measuring ${comparison.name} (${i + 1} of ${comparisons.length}, after ${minutes} min)`);
    try {
      rows.push(...(await comparison.run(context)));
      onRows(rows);
    } catch (error) {
      tell(`${comparison.name} could not be measured: ${error instanceof Error ? error.message : String(error)}`);
      process.exitCode = 1;
    }
  }
}

async function main(): Promise<void> {
  if (values.help) return void process.stdout.write(`${HELP}\n`);
  const names = chosenNames();
  const shapes = chosenShapes();
  const device = values.device === undefined ? undefined : resolveDevice(values.device);
  const facts = machine(unpinEnvironment());
  const threads = Number(values.threads ?? facts.cores);
  const rounds = Number(values.rounds ?? (values.quick ? 3 : 7));
  const effort = { rounds, counts: 2, clock: values.clock as Clock };
  const scratch = scratchFolder();
  const before = values.before === undefined ? undefined : await workerOf(values.before);
  const python = await peers(scratch, tell);
  tell("Writing a random base-size model");
  const models = { roberta: await randomModel(python, join(scratch, "roberta")) };
  const own = { quick: values.quick, shapes, effort, dataFolder: values.data, libtorch: values.libtorch };
  const goals = goalsFor(facts, device);
  const context = { machine: facts, python, models, threads, device, scratch, tell, before, goals, ...own };
  const common = { machine: facts, threads, device, effort, quick: values.quick, versions: await versions(python) };
  await measure(names, context, (rows) => write({ ...common, rows }));
}

async function versions(python: string): Promise<Record<string, string>> {
  const script =
    "import json, torch, transformers, peft; print(json.dumps({m.__name__: m.__version__ for m in (torch, transformers, peft)}))";
  const { stdout } = await promisify(execFile)(python, ["-c", script]);
  const { engineFacts } = await import("../src/torch/index.js");
  const { torchVersion, onednnVersion, openblas, mkl } = engineFacts();
  const ours = {
    libtorch: torchVersion,
    oneDNN: onednnVersion,
    blas: mkl ? "MKL" : openblas,
    node: process.versions.node,
  };
  return { ...ours, ...(JSON.parse(stdout) as Record<string, string>) };
}

/** Rewrites the result files with everything measured so far. */
function write(results: Results): void {
  mkdirSync(values.output, { recursive: true });
  writeFileSync(join(values.output, "results.md"), markdown(results));
  writeFileSync(join(values.output, "results.json"), `${JSON.stringify(results, undefined, 2)}\n`);
  printNew(results);
}

let printed = 0;

function printNew(results: Results): void {
  const lines = printed === 0 ? markdown(results) : `${tableLines(results.rows.slice(printed)).join("\n")}\n`;
  process.stdout.write(printed === 0 ? `${lines.trimEnd()}\n` : lines);
  printed = results.rows.length;
}

try {
  await main();
} catch (error) {
  tell(`bench: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
