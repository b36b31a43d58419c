// One and two ranks on this machine, one thread each, beside PEFT with DDP.
import { join } from "node:path";
import type { Context } from "../context.js";
import { peerScript, ROOT } from "../programs.js";
import type { Row } from "../rows.js";
import { writeEqualRows } from "../setup/equalRows.js";
import { writePlainModel } from "../setup/plainModel.js";
import { type StepUse, useOfStep } from "../setup/rankGroup.js";
import { median } from "../turns/compare.js";
import type { Program } from "../turns/workerProcess.js";
import { startModel } from "./start.js";

/** Rows per rank, and tokens per row. */
const [ROWS, TOKENS] = [8, 64];
const STEPS = 6;

const SUBJECTS = { lora: "LoRA, base-size BERT", full: "full fine-tuning, MiniLM" } as const;

type Subject = keyof typeof SUBJECTS;

/** What steps take, by side and round. */
type Uses = Record<"own1" | "own2" | "peer1" | "peer2", StepUse[]>;

export async function distributed(context: Context): Promise<Row[]> {
  const minilm = await startModel(context);
  const tokenizer = new Map(["tokenizer.json", "tokenizer_config.json"].map((name) => [name, join(minilm, name)]));
  const models = { lora: writePlainModel(join(context.scratch, "bert"), "bert", tokenizer), full: minilm };
  const rows = writeEqualRows(join(context.scratch, "equal-rows.jsonl"), TOKENS);
  const all: Row[] = [];
  for (const subject of Object.keys(SUBJECTS) as Subject[])
    all.push(...rowsOf(subject, await usesOf(context, subject, models[subject], rows)));
  return all;
}

async function usesOf({ effort, python, scratch }: Context, subject: Subject, model: string, rows: string) {
  const uses: Uses = { own1: [], own2: [], peer1: [], peer2: [] };
  const limits = { steps: STEPS, clock: effort.clock };
  for (let round = 0; round < effort.rounds; round++) {
    const output = join(scratch, `ranks-${subject}-${round}`);
    for (const ranks of [1, 2] as const) {
      uses[`own${ranks}`].push(await useOfStep(own(subject, model, rows, `${output}-${ranks}`), ranks, limits));
      uses[`peer${ranks}`].push(await useOfStep(peer(python, subject, model, rows), ranks, limits));
    }
  }
  return uses;
}

function own(subject: Subject, model: string, rows: string, output: string): Program {
  const task = ["--model", model, "--task", "sequence-classification", "--train", rows, "--method", subject];
  const size = ["--batch-size", String(ROWS), "--max-steps", "100", "--threads", "1", "--dtype", "float32"];
  const words = ["finetune", ...task, ...size, "--output", output, "--json"];
  return { command: process.execPath, args: [join(ROOT, "bin", "bidora.js"), ...words] };
}

const peer = (python: string, subject: Subject, model: string, rows: string): Program =>
  peerScript(python, "ddp_worker.py", [model, rows, subject, String(ROWS), "100"]);

function rowsOf(subject: Subject, { own1, own2, peer1, peer2 }: Uses): Row[] {
  const setting = `${SUBJECTS[subject]}, ${ROWS} × ${TOKENS} per rank, float32`;
  const efficiency = { what: "Efficiency of 2 ranks", setting, goal: undefined };
  return [
    {
      what: "Step of 2 ranks",
      setting,
      against: "PEFT with DDP, 2 ranks",
      goal: undefined,
      ratio: ratioOf(peer2, own2),
      ours: rate(own2, 2),
      theirs: rate(peer2, 2),
    },
    {
      ...efficiency,
      against: "1 rank of bidora",
      ratio: ratioOf(own1, own2),
      ours: rate(own2, 2),
      theirs: rate(own1, 1),
    },
    {
      ...efficiency,
      against: "1 rank of PEFT: PEFT with DDP",
      ratio: ratioOf(peer1, peer2),
      ours: rate(peer2, 2),
      theirs: rate(peer1, 1),
    },
  ];
}

function ratioOf(numerators: readonly StepUse[], denominators: readonly StepUse[]) {
  const ratios = numerators.map(({ seconds }, round) => seconds / (denominators[round] as StepUse).seconds);
  return { median: median(ratios), low: Math.min(...ratios), high: Math.max(...ratios) };
}

function rate(uses: readonly StepUse[], ranks: number): string {
  const tokens = (ranks * ROWS * TOKENS) / median(uses.map(({ seconds }) => seconds));
  const sent = median(uses.map(({ bytes }) => bytes)) / 1e6;
  return `${tokens.toFixed(0)} tokens/s${ranks > 1 ? `, ${sent.toFixed(1)} MB sent` : ""}`;
}
