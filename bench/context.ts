import type { Effort, Side } from "./compare.js";
import type { Goals } from "./goals.js";
import { ownWorker, peftWorker, publishedWorker } from "./programs.js";
import type { Input, OwnSpec, PeerSpec, Shape, Targets } from "./protocol.js";
import type { Program } from "./workerProcess.js";

export interface Models {
  /** Base-size RoBERTa with random weights, dropout 0. */
  readonly roberta: string;
}

/** What all comparisons share. */
export interface Context {
  readonly python: string;
  readonly models: Models;
  readonly threads: number;
  readonly quick: boolean;
  /** Batches of one length. */
  readonly shapes: readonly Shape[];
  readonly effort: Effort;
  readonly dataFolder: string;
  /** A folder for files of this run. */
  readonly scratch: string;
  readonly goals: Goals;
  /** The worker of another build of this program, to be measured in turns with this one. */
  readonly before: Program | undefined;
  /** The folder of another libtorch, to be measured in turns with the one in use. */
  readonly libtorch: string | undefined;
  readonly tell: (text: string) => void;
}

/** One cell of the table: which layers have adapters, and a batch's shape. */
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

/** The larger shape takes long enough for one step a turn. */
export function effortFor({ effort }: Context, { shape }: Pick<Setting, "shape">): Effort {
  return shape.rows * shape.length > 2000 ? { ...effort, counts: 1 } : effort;
}

type Choice<Spec> = Pick<Spec, Extract<"method" | "precision" | "hypergradient" | "task", keyof Spec>>;
/** Which layers have adapters, and what rows there are. */
export type Cell = { readonly targets: Targets } & Input;

/** What all training and prediction has unless it is said otherwise. */
function common({ models, threads }: Context) {
  const head = { kind: "sequence-classification", labels: 2 } as const;
  return { model: models.roberta, rank: 8, threads, unit: "step" as const, ...head };
}

export function own(context: Context, cell: Cell, choice: Choice<OwnSpec>, options: Partial<OwnSpec> = {}): Side {
  const spec = { ...common(context), ...cell, ...choice, ...options };
  return { program: ownWorker(), spec: spec as OwnSpec };
}

/** The same side in the other build, if there is one. */
export function before({ before: program }: Context, { spec }: Side): Side | undefined {
  return program && { program, spec };
}

export function peft(context: Context, cell: Cell, choice: Choice<PeerSpec>, options: Partial<PeerSpec> = {}): Side {
  const spec = { ...common(context), ...cell, ...choice, ...options };
  return { program: peftWorker(context.python), spec: spec as PeerSpec };
}

export function published(context: Context, cell: Cell): Side {
  return { program: publishedWorker(context.python), spec: { ...common(context), ...cell } };
}
