import { basename, join } from "node:path";
import { z } from "zod";
import { PHASES, type Phase } from "../common/run.js";
import { CHECKSUMS } from "../io/checksums.js";
import { readJsonObject } from "../io/json.js";
import type { JsonValue } from "./events.js";
import { type Provenance, provenance } from "./provenance.js";
import { bilevelState, count, plainState } from "./ruleStates.js";

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
  readonly rule: JsonValue;
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
