// Time from the command to the end of the first training step, for whole processes with files in the page cache.
import { spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { quickstartModel } from "../../src/quickstart/models.js";
import type { Context } from "../context.js";
import { peerScript, ROOT } from "../programs.js";
import type { Row } from "../rows.js";
import { median } from "../turns/compare.js";
import type { PeerPrecision } from "../turns/protocol.js";
import type { Program } from "../turns/workerProcess.js";

const PRECISIONS: readonly PeerPrecision[] = ["bfloat16-autocast", "bfloat16-weights", "float32"];

export async function firstStep(context: Context): Promise<Row[]> {
  const model = process.env.BENCH_MODEL ?? (await quickstartModel({ onNote: context.tell }));
  const data = join(context.dataFolder, "glue", "MRPC");
  const peers = PRECISIONS.map((precision) => ({
    precision,
    program: peerScript(context.python, "first_step.py", [model, join(data, "train.tsv"), precision]),
    seconds: [] as number[],
  }));
  const seconds: number[] = [];
  for (let round = -1; round < context.effort.rounds; round++) {
    const output = join(context.scratch, `start-${round}`);
    const ours = finetune([
      "--model",
      model,
      "--task",
      "glue/mrpc",
      "--data",
      data,
      "--method",
      "lora",
      "--max-steps",
      "2",
      "--output",
      output,
    ]);
    const isTimed = round >= 0; // round -1 fills the page cache
    const own = await untilFirstStep(ours);
    if (isTimed) seconds.push(own);
    for (const { program, seconds } of peers) {
      const peer = await untilFirstStep(program);
      if (isTimed) seconds.push(peer);
    }
  }
  const theirs = peers.reduce((best, peer) => (median(peer.seconds) < median(best.seconds) ? peer : best));
  const ratios = theirs.seconds.map((value, i) => value / (seconds[i] as number));
  const shown = (values: readonly number[]) => `${median(values).toFixed(2)} s`;
  return [
    {
      what: "Start to first training step",
      setting: "MiniLM, 22 M parameters, MRPC, LoRA",
      against: `transformers + PEFT, a minimal script, ${theirs.precision.replace("-", " ")}`,
      goal: context.goals.start,
      ratio: { median: median(ratios), low: Math.min(...ratios), high: Math.max(...ratios) },
      ours: shown(seconds),
      theirs: shown(theirs.seconds),
    },
  ];
}

function finetune(args: readonly string[]): Program {
  return { command: process.execPath, args: [join(ROOT, "bin", "bidora.js"), "finetune", ...args, "--json"] };
}

/** Seconds until the process reports its first step; then ends it. */
async function untilFirstStep({ command, args }: Program): Promise<number> {
  const began = performance.now();
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"] });
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
