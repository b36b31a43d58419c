// Time from the command to the end of the first training step, for whole processes with files in the page cache.
import { spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { quickstartModel } from "../../src/app/quickstart/models.js";
import type { Context } from "../context.js";
import { peerScript, ROOT } from "../programs.js";
import type { Row } from "../rows.js";
import { median } from "../turns/compare.js";
import type { PeerPrecision } from "../turns/protocol.js";
import type { Program } from "../turns/workerProcess.js";

const PRECISIONS: readonly PeerPrecision[] = ["bfloat16-autocast", "bfloat16-weights", "float32"];

/** The folder of the MiniLM encoder. */
export async function startModel({ tell }: Context): Promise<string> {
  return process.env.BENCH_MODEL ?? (await quickstartModel({ onNote: tell }));
}

export async function firstStep(context: Context): Promise<Row[]> {
  const model = await startModel(context);
  const peers = PRECISIONS.map((precision) =>
    peerScript(context.python, "first_step.py", [model, join(dataOf(context), "train.tsv"), precision]),
  );
  const [own, ...others] = (await timed(context, [ownStart(context, model), ...peers.map((peer) => () => peer)])) as [
    number[],
    ...number[][],
  ];
  const theirs = others.reduce((best, peer) => (median(peer) < median(best) ? peer : best));
  const precision = PRECISIONS[others.indexOf(theirs)] as PeerPrecision;
  return [
    {
      what: "Start to first training step",
      setting: "MiniLM, 22 M parameters, MRPC, LoRA",
      against: `transformers + PEFT, a minimal script, ${precision.replace("-", " ")}`,
      goal: context.goals.start,
      ...startRatio(own, theirs),
    },
  ];
}

/** Seconds of our starts in each environment, in turns. */
export function timedStarts(
  context: Context,
  model: string,
  environments: readonly Readonly<Record<string, string>>[],
): Promise<number[][]> {
  return timed(
    context,
    environments.map((environment) => ownStart(context, model, environment)),
  );
}

/** The columns of a row about two lists of seconds. */
export function startRatio(own: readonly number[], theirs: readonly number[]): Pick<Row, "ratio" | "ours" | "theirs"> {
  const ratios = theirs.map((value, i) => value / (own[i] as number));
  const shown = (values: readonly number[]) => `${median(values).toFixed(2)} s`;
  const ratio = { median: median(ratios), low: Math.min(...ratios), high: Math.max(...ratios) };
  return { ratio, ours: shown(own), theirs: shown(theirs) };
}

/** Makes the program of a round. */
type Starter = () => Program;

/** Seconds of each program by round; the first round fills the page cache and is not timed. */
async function timed({ effort }: Context, starters: readonly Starter[]): Promise<number[][]> {
  const seconds: number[][] = starters.map(() => []);
  for (let round = -1; round < effort.rounds; round++) {
    for (const [i, starter] of starters.entries()) {
      const value = await untilFirstStep(starter());
      if (round >= 0) seconds[i]?.push(value);
    }
  }
  return seconds;
}

const dataOf = ({ dataFolder }: Context): string => join(dataFolder, "glue", "MRPC");

let outputs = 0;

function ownStart(context: Context, model: string, environment: Readonly<Record<string, string>> = {}): Starter {
  const words = ["--model", model, "--task", "glue/mrpc", "--data", dataOf(context), "--method", "lora"];
  return () => {
    const output = join(context.scratch, `start-${outputs++}`);
    return { ...finetune([...words, "--max-steps", "2", "--output", output]), environment };
  };
}

function finetune(args: readonly string[]): Program {
  return { command: process.execPath, args: [join(ROOT, "bin", "bidora.js"), "finetune", ...args, "--json"] };
}

/** Seconds until the process reports its first step; then ends it. */
async function untilFirstStep({ command, args, environment }: Program): Promise<number> {
  const began = performance.now();
  const child = spawn(command, args, { env: { ...process.env, ...environment }, stdio: ["ignore", "pipe", "pipe"] });
  let errors = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    errors += text;
  });
  const ended = new Promise((resolve) => child.once("close", resolve));
  for await (const line of createInterface({ input: child.stdout })) {
    if (!line.includes('"event":"step"')) continue;
    const seconds = (performance.now() - began) / 1000;
    child.kill("SIGKILL");
    await ended;
    return seconds;
  }
  throw new Error(`${command} ${args.join(" ")} ended without a step: ${errors.slice(-2000)}`);
}
