// `npm run bench -- scaling`: what training takes on many machines, by a cost model; `--check` compares its sums with measured ones, on
// networks that the kernel limits to a rate.
import { execFileSync, spawn } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import type { RunEvent } from "../src/base/records/events.js";
import { openSafetensors } from "../src/formats/safetensors/safetensors.js";
import { numelOf } from "../src/torch/index.js";
import { ROOT } from "./programs.js";
import { type Constants, stepCost, sumSeconds } from "./scaling/cost.js";
import { inNetwork, namespaceOf } from "./scaling/network.js";
import { writeEqualRows } from "./setup/equalRows.js";
import { scratchFolder } from "./setup/scratch.js";
import { median } from "./turns/compare.js";

const HELP = `npm run bench -- scaling [options]
  --seconds S    that one rank computes in a step
  --spread X     standard deviation of these seconds among ranks, relative to the mean
  --trained N    trained parameters
  --latency S    of a message
  --tokens N     per rank and step
  --check        as root: measures sums of 2, 3 and 4 ranks in network namespaces, and prints them beside the model's
  --model PATH   as root: measures steps of full fine-tuning of this model there, on 2 ranks`;

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "1" },
    spread: { type: "string", default: "0.1" },
    trained: { type: "string", default: "300000" },
    latency: { type: "string", default: "50e-6" },
    tokens: { type: "string", default: "512" },
    check: { type: "boolean", default: false },
    model: { type: "string" },
    help: { type: "boolean", default: false },
  },
});

const GIGABIT = 1e9 / 8;
const RATES = [1, 10, 100];
const print = (line: string) => process.stdout.write(`${line}\n`);

function table(): void {
  const own = { seconds: Number(values.seconds), spread: Number(values.spread), bytes: 4 * Number(values.trained) };
  print(`| ranks | ${RATES.map((rate) => `${rate} Gbit/s`).join(" | ")} | waiting for the slowest |`);
  print(`|---|${RATES.map(() => "---|").join("")}---|`);
  for (let ranks = 8; ranks <= 512; ranks *= 2) {
    const costs = RATES.map((rate) =>
      stepCost(ranks, { ...own, latency: Number(values.latency), bandwidth: rate * GIGABIT }),
    );
    const cells = costs.map(({ compute, waiting, sum, efficiency }) => {
      const rate = (ranks * Number(values.tokens)) / (compute + waiting + sum);
      return `${(100 * efficiency).toFixed(0)} %, ${Math.round(rate).toLocaleString("en")} tokens/s`;
    });
    print(`| ${ranks} | ${cells.join(" | ")} | ${((costs[0]?.waiting ?? 0) * 1000).toFixed(0)} ms |`);
  }
}

const WORKER = fileURLToPath(new URL("worker/sum.js", import.meta.url));
/** The megabytes and rates (bytes per second) that are measured. */
const CASES = [
  { bytes: 1.2e6, bandwidth: 0.1 * GIGABIT },
  { bytes: 24e6, bandwidth: 0.1 * GIGABIT },
  { bytes: 24e6, bandwidth: GIGABIT },
];
const COUNT = 5;

async function check(): Promise<void> {
  print("| ranks | bytes | Gbit/s | measured | model | sent by a rank |");
  print("|---|---|---|---|---|---|");
  for (const { bytes, bandwidth } of CASES) {
    for (const ranks of [2, 3, 4]) {
      const [seconds, sent] = await inNetwork(ranks, bandwidth, () => measuredSum(ranks, bytes));
      const model: Omit<Constants, "seconds" | "spread"> = { bytes, bandwidth, latency: Number(values.latency) };
      const predicted = sumSeconds(ranks, model);
      const shown = [`${(bytes / 1e6).toFixed(1)} MB`, (bandwidth / GIGABIT).toFixed(1), milliseconds(seconds)];
      print(`| ${ranks} | ${[...shown, milliseconds(predicted), `${(sent / 1e6).toFixed(2)} MB`].join(" | ")} |`);
    }
  }
}

const milliseconds = (seconds: number): string => `${(seconds * 1000).toFixed(seconds < 0.1 ? 1 : 0)} ms`;

/** The median seconds of a sum, and the bytes that rank 0's network has sent for each. */
async function measuredSum(ranks: number, bytes: number): Promise<[seconds: number, sent: number]> {
  const outputs = await Promise.all(
    Array.from({ length: ranks }, (_, rank) => outputOf(rank, ranks, [WORKER, String(bytes), String(COUNT)])),
  );
  const seconds = (outputs[0] as string).trim().split("\n").map(Number);
  return [median(seconds), sentBy(0) / (COUNT + 1)];
}

/** Rows per rank and tokens per row of a measured step. */
const [ROWS, TOKENS] = [8, 64];
const [STEPS, WARM_UPS] = [8, 2];
const STEP_RATES = [2 * GIGABIT, GIGABIT, GIGABIT / 2];

async function checkSteps(model: string): Promise<void> {
  const folder = scratchFolder();
  writeEqualRows(join(folder, "rows.jsonl"), TOKENS);
  const measured = (bandwidth: number) => inNetwork(2, bandwidth, () => measuredStep(2, model, folder));
  const [seconds, sent] = await measured(Number.POSITIVE_INFINITY);
  print(`Without a limit: ${milliseconds(seconds)}, ${(sent / 1e6).toFixed(1)} MB sent by a rank`);
  print("| Gbit/s | measured | model | without overlap |");
  print("|---|---|---|---|");
  for (const bandwidth of STEP_RATES) {
    const [limited] = await measured(bandwidth);
    const constants = { seconds, spread: 0, ...gradientBytes(model), latency: Number(values.latency), bandwidth };
    const { sum } = stepCost(2, constants);
    const times = [limited, seconds + sum, seconds + sumSeconds(2, constants)].map(milliseconds);
    print(`| ${[(bandwidth / GIGABIT).toFixed(1), ...times].join(" | ")} |`);
  }
}

/** The bytes of all gradients, and of those of the embeddings of tokens. */
function gradientBytes(model: string): { readonly bytes: number; readonly lastBytes: number } {
  const file = openSafetensors(join(model, "model.safetensors"));
  try {
    const sizes = [...file.names].map((name) => ({ name, bytes: 4 * numelOf(file.info(name).shape) }));
    const words = sizes.find(({ name }) => name.endsWith("word_embeddings.weight"));
    if (!words) throw new Error(`${model} has no word_embeddings.weight: take a BERT or RoBERTa model.`);
    return { bytes: sizes.reduce((sum, { bytes }) => sum + bytes, 0), lastBytes: words.bytes };
  } finally {
    file.close();
  }
}

/** The median seconds of a step, and the bytes that rank 0's network has sent for each. */
async function measuredStep(ranks: number, model: string, folder: string): Promise<[seconds: number, sent: number]> {
  const run = ["--model", model, "--task", "sequence-classification", "--method", "full"];
  const size = ["--batch-size", String(ROWS), "--max-steps", String(STEPS), "--threads", "1", "--dtype", "float32"];
  const words = [join(ROOT, "bin", "bidora.js"), "finetune", ...run, ...size, "--overwrite", "--json"];
  const files = ["--train", join(folder, "rows.jsonl"), "--output", join(folder, "run")];
  const outputs = await Promise.all(
    Array.from({ length: ranks }, (_, rank) => outputOf(rank, ranks, [...words, ...files])),
  );
  const events = (outputs[0] as string)
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as RunEvent);
  const seconds = events.flatMap((event) => (event.event === "step" ? [event.seconds] : []));
  return [median(seconds.slice(WARM_UPS)), sentBy(0) / STEPS];
}

const sentBy = (rank: number): number => {
  const { name, device } = namespaceOf(rank);
  const path = `/sys/class/net/${device}/statistics/tx_bytes`;
  return Number(execFileSync("ip", ["netns", "exec", name, "cat", path], { encoding: "utf8" }));
};

function outputOf(rank: number, size: number, words: readonly string[]): Promise<string> {
  const { name, device } = namespaceOf(rank);
  const variables = { RANK: rank, WORLD_SIZE: size, MASTER_ADDR: namespaceOf(0).address, MASTER_PORT: 29500 };
  const own = Object.fromEntries(Object.entries(variables).map(([key, value]) => [key, String(value)]));
  const env = {
    ...process.env,
    ...own,
    OMP_NUM_THREADS: "1",
    GLOO_SOCKET_IFNAME: device,
    TORCH_CPP_LOG_LEVEL: "ERROR",
  };
  const child = spawn("ip", ["netns", "exec", name, process.execPath, ...words], {
    env,
    stdio: ["ignore", "pipe", "inherit"],
  });
  let text = "";
  child.stdout.setEncoding("utf8").on("data", (part: string) => {
    text += part;
  });
  return new Promise((resolve, reject) =>
    child.once("close", (code) => (code === 0 ? resolve(text) : reject(new Error(`Rank ${rank} ended with ${code}.`)))),
  );
}

if (values.help) print(HELP);
else if (values.check) await check();
else if (values.model) await checkSteps(values.model);
else table();
