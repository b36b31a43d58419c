import type { Goals } from "./goals.js";
import type { Machine } from "./machine.js";
import { embeddingWorker, ownWorker, peftWorker, publishedWorker } from "./programs.js";
import type { Effort, Side } from "./turns/compare.js";
import type { Input, OwnSpec, PeerSpec, Shape, Targets } from "./turns/protocol.js";
import type { Program } from "./turns/workerProcess.js";

export interface Models {
  /** The folder of a base-size RoBERTa with random weights and dropout 0. */
  readonly roberta: string;
}

/** Shared by all comparisons. */
export interface Context {
  readonly machine: Machine;
  readonly python: string;
  readonly models: Models;
  readonly threads: number;
  /** The card to measure on, by `--device`; undefined for the CPU. */
  readonly device: string | undefined;
  readonly quick: boolean;
  /** Shapes of the batches without padding. */
  readonly shapes: readonly Shape[];
  readonly effort: Effort;
  readonly dataFolder: string;
  /** A folder for this run's files. */
  readonly scratch: string;
  readonly goals: Goals;
  /** The worker of another build of bidora, measured in turns with this one. */
  readonly before: Program | undefined;
  /** The folder of another libtorch, measured in turns with the current one. */
  readonly libtorch: string | undefined;
  readonly tell: (text: string) => void;
}

/** Which layers have adapters, and a batch's shape. */
export interface Setting {
  readonly targets: Targets;
  readonly shape: Shape;
}

export function settingsOf({ shapes }: Context): Setting[] {
  return shapes.flatMap((shape) => (["query-value", "all-linear"] as const).map((targets) => ({ targets, shape })));
}

export function settingName({ targets, shape }: Setting): string {
  return `${targets.replace("-", targets === "query-value" ? " + " : " ")}, ${shape.rows} × ${shape.length}`;
}

/** The larger shape takes long enough for one step per turn. */
export function effortFor({ effort }: Context, { shape }: Pick<Setting, "shape">): Effort {
  return shape.rows * shape.length > 2000 ? { ...effort, counts: 1 } : effort;
}

type Choice<Spec> = Pick<Spec, Extract<"method" | "precision" | "hypergradient" | "task", keyof Spec>>;
/** Which layers have adapters, and the rows. */
export type Cell = { readonly targets: Targets } & Input;

/** Defaults of all training and prediction. */
function common({ models, threads, device }: Context) {
  const head = { kind: "sequence-classification", labels: 2 } as const;
  const place = { threads, ...(device && { device }) };
  return { model: models.roberta, rank: 8, ...place, unit: "step" as const, ...head };
}

export function own(context: Context, cell: Cell, choice: Choice<OwnSpec>, options: Partial<OwnSpec> = {}): Side {
  const spec = { ...common(context), ...cell, ...choice, ...options };
  return { program: ownWorker(), spec: spec as OwnSpec };
}

/** The same side in the other build, if `--before` gave one. */
export function before({ before: program }: Context, { spec }: Side): Side | undefined {
  return program && { program, spec };
}

export function peft(context: Context, cell: Cell, choice: Choice<PeerSpec>, options: Partial<PeerSpec> = {}): Side {
  const spec = { ...common(context), ...cell, ...choice, ...options };
  return { program: peftWorker(context.python), spec: spec as PeerSpec };
}

/** sentence-transformers with PEFT. */
export function embeddings(
  context: Context,
  cell: Cell,
  choice: Choice<PeerSpec>,
  options: Partial<PeerSpec> = {},
): Side {
  return { ...peft(context, cell, choice, options), program: embeddingWorker(context.python) };
}

export function published(context: Context, cell: Cell): Side {
  return { program: publishedWorker(context.python), spec: { ...common(context), ...cell } };
}
