// A checkpoint's folder: its name, the state that a run resumes from, and what the run was made from.
import { existsSync, readdirSync } from "node:fs";
import { basename, join } from "node:path";
import * as z from "zod";
import { BidoraError } from "../common/errors.js";
import { statOf } from "../common/fileSystem.js";
import { PHASES, type Phase } from "../common/run.js";
import { CHECKSUMS } from "./checksums.js";
import { type JsonValue, readJsonObject } from "./json.js";

const count = z.int().min(0);

/** How far the batches of some rows have been walked through. */
const position = z.object({ pass: count, index: count });

/** What a rule of one level saves beside tensors. */
const plainState = z.object({ steps: count, batches: position });

/** The same of a search. */
const bilevelState = z.object({
  lower: count,
  upper: count,
  lowerBatches: position,
  upperBatches: position,
  /** Where the losses of passes over the upper rows are told. */
  upperPass: z.object({ sum: z.number(), weight: z.number().min(0) }).optional(),
});

export type PlainState = z.infer<typeof plainState>;
export type BilevelState = z.infer<typeof bilevelState>;
/** What a step rule saves beside tensors. */
export type RuleValues = PlainState | BilevelState;

const digest = z.string().regex(/^[0-9a-f]{64}$/);

const rows = z.object({
  rows: count,
  /** Of the rows as they are trained on: tokens, types and labels. */
  sha256: digest,
});

const provenance = z.object({
  train: rows,
  validation: rows.nullable(),
  test: rows.nullable(),
  /** Of the training rows that are held out; absent in checkpoints before it was kept. */
  holdout: rows.nullable().optional(),
  /** In the order of the model's outputs. */
  labels: z.array(z.string()),
  /** Of the files of base model, tokenizer and start adapter: null where there are none, or none any more. */
  config: digest.nullable(),
  weights: digest.nullable(),
  tokenizer: digest.nullable(),
  adapter: digest.nullable(),
});

/** What a run was made from: who goes on with it must have the same. */
export type Provenance = z.infer<typeof provenance>;

/** @throws BidoraError `CHECKPOINT_PROVENANCE` naming everything that is not what it was */
export function checkProvenance(path: string, then: Provenance, now: Provenance): void {
  const found = [...fileDifferences(then, now), ...labelDifferences(then, now), ...rowDifferences(then, now)];
  if (found.length === 0) return;
  throw new BidoraError(
    "CHECKPOINT_PROVENANCE",
    `${path} was made from ${found.join("; and from ")}: resume with what the run began with, or start anew in another --output.`,
  );
}

const FILES = {
  config: "another config.json of the base model",
  weights: "other weights of the base model",
  tokenizer: "another tokenizer",
  adapter: "another adapter to start from",
} as const;

function fileDifferences(then: Provenance, now: Provenance): string[] {
  return Object.entries(FILES).flatMap(([key, words]) => {
    const [before, after] = [then[key as keyof typeof FILES], now[key as keyof typeof FILES]];
    return before === null || after === null || before === after ? [] : [words];
  });
}

function labelDifferences({ labels: then }: Provenance, { labels: now }: Provenance): string[] {
  if (then.length !== now.length) return [`${then.length} labels, now there are ${now.length}`];
  const at = then.findIndex((name, id) => name !== now[id]);
  return at === -1 ? [] : [`labels of which number ${at} was "${then[at]}", now it is "${now[at]}"`];
}

function rowDifferences(then: Provenance, now: Provenance): string[] {
  const names = { train: "training", validation: "validation", test: "test", holdout: "held-out" } as const;
  return Object.entries(names).flatMap(([key, name]) => {
    const [before, after] = [then[key as keyof typeof names], now[key as keyof typeof names]];
    if (before === undefined) return [];
    if (before?.rows !== after?.rows)
      return [`${before?.rows ?? "no"} ${name} rows, now there are ${after?.rows ?? "none"}`];
    return before?.sha256 === after?.sha256 ? [] : [`other ${name} rows, though as many (${before?.rows})`];
  });
}

export const STATE = "training_state.json";
export const TENSORS = "training_state.safetensors";
/** Before the names of early stopping's tensors. */
export const BEST = "best.";

/** What a checkpoint has beside the files of its adapter or model. */
export const CHECKPOINT_FILES: readonly string[] = [STATE, TENSORS, CHECKSUMS];

export const checkpointName = (step: number): string => `checkpoint-${step}`;

/** The step of a name that a checkpoint has, or undefined. */
export function checkpointStep(name: string): number | undefined {
  const found = /^checkpoint-(0|[1-9]\d{0,14})$/.exec(name);
  return found ? Number(found[1]) : undefined;
}

/** What a checkpoint holds beside the tensors: enough to go on with the same bits. */
export interface SavedState {
  readonly phase: Phase;
  readonly step: number;
  readonly phaseStep: number;
  readonly isPhaseOver: boolean;
  readonly rule: RuleValues;
  /** Base64. */
  readonly generator: string;
  /** That were computed with: the order of sums depends on their number. */
  readonly threads: number;
  /** The libtorch and the kind of processor that were computed with; absent in checkpoints before it was kept. */
  readonly arithmetic?: string | undefined;
  readonly earlyStopping: {
    readonly phase?: Phase | undefined;
    readonly best: number | null;
    readonly failures: number;
  } | null;
  /** Settings of the run, to be compared on resuming. */
  readonly settings: { readonly [key: string]: JsonValue };
  readonly madeFrom: Provenance;
}

const shared = {
  step: z.int().min(1),
  phaseStep: z.int().min(1),
  isPhaseOver: z.boolean(),
  generator: z.base64(),
  threads: z.int().min(1),
  arithmetic: z.string().optional(),
  earlyStopping: z
    .object({
      phase: z.enum(PHASES).optional(),
      best: z.number().nullable(),
      failures: count,
    })
    .nullable(),
  settings: z.record(z.string(), z.json()),
  madeFrom: provenance,
};

const schema = z
  .discriminatedUnion("phase", [
    z.object({ ...shared, phase: z.enum(["train", "retrain"]), rule: plainState }),
    z.object({ ...shared, phase: z.literal("search"), rule: bilevelState }),
  ])
  .refine(({ step, phaseStep }) => phaseStep <= step, { path: ["phaseStep"], error: "more than step" })
  .refine(({ step, phaseStep, phase }) => (phase === "retrain" ? phaseStep < step : phaseStep === step), {
    path: ["phaseStep"],
    error: "does not go with step",
  })
  .refine(({ phaseStep, rule }) => phaseStep === ("upper" in rule ? rule.upper : rule.steps), {
    path: ["rule"],
    error: "does not go with phaseStep",
  });

/** The state that lies in a checkpoint's folder. @throws Error saying what is wrong with it */
export function readState(folder: string): SavedState {
  const parsed = schema.safeParse(readJsonObject(join(folder, STATE)));
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new Error(`${STATE}: ${issue?.path.join(".")}: ${issue?.message}`);
  }
  const state: SavedState = parsed.data;
  if (checkpointName(state.step) !== basename(folder)) throw new Error(`${STATE} is of step ${state.step}`);
  return state;
}

export const checkpointPath = (folder: string, step: number): string => join(folder, checkpointName(step));

/** The newest checkpoint in a run's folder, be it whole or damaged, or undefined. */
export function newestCheckpoint(folder: string): string | undefined {
  const [newest] = checkpointSteps(folder);
  return newest === undefined ? undefined : checkpointPath(folder, newest);
}

/** Steps of the checkpoints in a folder, newest first. One without a file never was a checkpoint. */
export function checkpointSteps(folder: string): number[] {
  if (!existsSync(folder)) return [];
  const steps = readdirSync(folder).flatMap((name) => {
    const step = checkpointStep(name);
    return step !== undefined && isFilledFolder(join(folder, name)) ? [step] : [];
  });
  return steps.sort((a, b) => b - a);
}

function isFilledFolder(path: string): boolean {
  return statOf(path)?.isDirectory() === true && readdirSync(path).length > 0;
}
