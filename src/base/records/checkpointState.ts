// A checkpoint's folder: its name, the state that a run resumes from, and what the run was made from.
import { existsSync, readdirSync } from "node:fs";
import { basename, join } from "node:path";
import * as z from "zod";
import { statOf } from "../fileSystem.js";
import { PHASES, type Phase } from "../run.js";
import { firstFault } from "../schema.js";
import { CHECKSUMS } from "./checksums.js";
import { type JsonValue, readJsonObject } from "./json.js";

const count = z.int().min(0);

/** The position in the batches of some rows. */
const position = z.object({ pass: count, index: count });

/** The state of dynamic loss scaling: the scale, and the number of steps in a row with finite gradients. */
const lossScale = z.object({ scale: z.number().positive(), finiteSteps: count });

export type LossScaleState = z.infer<typeof lossScale>;

/** The state of a rule with one level, apart from tensors. Only a run in float16 has a `lossScale`. */
const plainState = z.object({ steps: count, batches: position, lossScale: lossScale.optional() });

/** The state of a search, apart from tensors. */
const bilevelState = z.object({
  lower: count,
  upper: count,
  lowerBatches: position,
  upperBatches: position,
  /** Present if the losses of passes over the upper rows are reported. */
  upperPass: z.object({ sum: z.number(), weight: z.number().min(0) }).optional(),
});

export type PlainState = z.infer<typeof plainState>;
export type BilevelState = z.infer<typeof bilevelState>;
/** The state of a step rule, apart from tensors. */
export type RuleValues = PlainState | BilevelState;

const digest = z.string().regex(/^[0-9a-f]{64}$/);

const rows = z.object({
  rows: count,
  /** The digest of the rows as they are trained on: tokens, types and labels. */
  sha256: digest,
});

const provenance = z.object({
  train: rows,
  validation: rows.nullable(),
  test: rows.nullable(),
  /** The held-out training rows; absent in checkpoints of earlier versions. */
  holdout: rows.nullable().optional(),
  /** The upper level's rows, if they have a file of their own. */
  upper: rows.optional(),
  /** The digest of the training rows' sources, if an upper level weights them. */
  sources: digest.optional(),
  /** In the order of the model's outputs. */
  labels: z.array(z.string()),
  /** Digests of the files of base model, tokenizer and initial adapter; null if there are none, or no longer any. */
  config: digest.nullable(),
  weights: digest.nullable(),
  tokenizer: digest.nullable(),
  adapter: digest.nullable(),
  /** The digest of how the base model makes embeddings; absent for other tasks. */
  embedding: digest.optional(),
  /** The digest of generation_config.json; absent for tasks that are not evaluated by generated texts. */
  generation: digest.nullable().optional(),
});

/** The inputs of a run. They must be the same when it is resumed. */
export type Provenance = z.infer<typeof provenance>;

export const STATE = "training_state.json";
export const TENSORS = "training_state.safetensors";
/** The prefix of early stopping's tensors. */
export const BEST = "best.";

/** The files of a checkpoint, apart from those of its adapter or model. */
export const CHECKPOINT_FILES: readonly string[] = [STATE, TENSORS, CHECKSUMS];

export const checkpointName = (step: number): string => `checkpoint-${step}`;

/** The step in a checkpoint's name, or undefined for another name. */
export function checkpointStep(name: string): number | undefined {
  const found = /^checkpoint-(0|[1-9]\d{0,14})$/.exec(name);
  return found ? Number(found[1]) : undefined;
}

/** The state of a run, apart from tensors. With them it is enough to resume with the same bits. */
export interface SavedState {
  readonly phase: Phase;
  readonly step: number;
  readonly phaseStep: number;
  readonly isPhaseOver: boolean;
  readonly rule: RuleValues;
  /** Base64. */
  readonly generator: string;
  /** The number of threads, on which the order of sums depends. */
  readonly threads: number;
  /** Where the model computed; absent in checkpoints of earlier versions, which had only the CPU. */
  readonly device?: string | undefined;
  /** The number of processes that trained together; absent for one. */
  readonly processes?: number | undefined;
  /** The libtorch version, and which instructions and kernels ran; absent in checkpoints of earlier versions. */
  readonly arithmetic?: string | undefined;
  readonly earlyStopping: {
    readonly phase?: Phase | undefined;
    readonly best: number | null;
    readonly failures: number;
  } | null;
  /** How many times a step went on with other batches because a number was not finite. */
  readonly skipped?: number | undefined;
  /** How many times a step went on with other batches because the scale of float16's gradients was too large. */
  readonly overflows?: number | undefined;
  /** The settings of the run, which are compared when it is resumed. */
  readonly settings: { readonly [key: string]: JsonValue };
  readonly madeFrom: Provenance;
}

const shared = {
  step: z.int().min(1),
  phaseStep: z.int().min(1),
  isPhaseOver: z.boolean(),
  generator: z.base64(),
  threads: z.int().min(1),
  device: z.string().optional(),
  processes: z.int().min(2).optional(),
  arithmetic: z.string().optional(),
  earlyStopping: z
    .object({
      phase: z.enum(PHASES).optional(),
      best: z.number().nullable(),
      failures: count,
    })
    .nullable(),
  skipped: count.optional(),
  overflows: count.optional(),
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

/** Reads the state of a checkpoint. @throws Error that says what is wrong with it */
export function readState(folder: string): SavedState {
  const parsed = schema.safeParse(readJsonObject(join(folder, STATE)));
  if (!parsed.success) {
    const { key, what } = firstFault(parsed.error.issues, "the file");
    throw new Error(`${STATE}: ${key}: ${what}`);
  }
  const state: SavedState = parsed.data;
  if (checkpointName(state.step) !== basename(folder)) throw new Error(`${STATE} is of step ${state.step}`);
  return state;
}

export const checkpointPath = (folder: string, step: number): string => join(folder, checkpointName(step));

/** The newest checkpoint in a run's folder, complete or damaged, or undefined. */
export function newestCheckpoint(folder: string): string | undefined {
  const [newest] = checkpointSteps(folder);
  return newest === undefined ? undefined : checkpointPath(folder, newest);
}

/** The steps of the checkpoints in a folder, newest first. An empty folder is no checkpoint. */
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
