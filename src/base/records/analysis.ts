// analysis.json: how far magnitudes and directions moved in runs.
import type { Phase } from "./events.js";

/** The files of an analysis. */
export const ANALYSIS = { page: "analysis.html", data: "analysis.json" } as const;

/** A least-squares line through points (ΔD, ΔM). */
export interface LineFit {
  readonly points: number;
  /** The change of ΔM with ΔD; null if there is no such line. */
  readonly slope: number | null;
  readonly intercept: number | null;
  /** Pearson's correlation, from -1 to 1; null if one of the two does not vary. */
  readonly correlation: number | null;
  /** The slope through time: of the points' distances from the mean point of their layer. Null if ΔD varies in no layer. */
  readonly within?: number | null;
  /** The slope from layer to layer: of the line through the layers' mean points. Null if there is no such line. */
  readonly across?: number | null;
  /** Why a value is null, in one sentence. */
  readonly note?: string;
}

/** The distance of a layer's weight from the pretrained one at a saved step. */
export interface AnalyzedStep {
  /** Counted through the whole run; null for the end of a run if its step is unknown. */
  readonly step: number | null;
  readonly phase: Phase | null;
  /** Mean over the weight's vectors of |m − m₀|. */
  readonly deltaM: number;
  /** Mean over them of 1 − cos(V, W₀). */
  readonly deltaD: number;
}

/** One layer through the run. */
export interface AnalyzedLayer {
  readonly path: string;
  /** Its number in the model. */
  readonly layer: number;
  /** The kind of module, such as `query`. */
  readonly kind: string;
  /** The number of vectors in the means. */
  readonly vectors: number;
  readonly steps: readonly AnalyzedStep[];
}

/** The lines of one run. */
export interface AnalyzedFits {
  /**
   * The phase of `all` and `kinds`, which is compared with full fine-tuning. In a run with several phases it is the search, where magnitudes
   * and directions move together. Null if the saved steps have no phase.
   */
  readonly phase: Phase | null;
  /** The line through the points of all layers. */
  readonly all: LineFit;
  readonly kinds: Readonly<Record<string, LineFit>>;
  /** The lines of all layers by phase, in a run with several phases. */
  readonly phases?: Partial<Readonly<Record<Phase, LineFit>>>;
  /** The lines of each kind by phase, in a run with several phases. */
  readonly phaseKinds?: Partial<Readonly<Record<Phase, Readonly<Record<string, LineFit>>>>>;
}

/** A run's slope compared with that of full fine-tuning. */
export interface AgainstFull {
  /** The compared phase of the run. */
  readonly phase: Phase | null;
  /** The runs of full fine-tuning; `slope` is the mean of their slopes. */
  readonly runs: readonly string[];
  readonly slope: number;
  /** The run's slope minus that mean. */
  readonly difference: number;
  readonly hasSameSign: boolean;
}

/** A slope over the seeds of a method. */
export interface SlopeSpread {
  /** The runs that have this slope. */
  readonly seeds: number;
  readonly mean: number;
  /** The sample standard deviation; null for one run, as is the interval. */
  readonly deviation: number | null;
  /** Student's 95 % confidence interval of the mean. */
  readonly interval: { readonly low: number; readonly high: number } | null;
}

/** The slopes of all layers, or of one kind, over the runs of a method on a task of a comparison. Null where no run has one. */
export interface MethodSlopes {
  /** The task and the method as the comparison names them, such as `mrpc/bidora`. */
  readonly name: string;
  readonly method: string;
  readonly phase: Phase | null;
  /** `all`, or the kind of module. */
  readonly layers: string;
  readonly slope: SlopeSpread | null;
  readonly within: SlopeSpread | null;
  readonly across: SlopeSpread | null;
  /** The slope in the BiDoRA paper (arXiv 2410.09758), and whether the mean has its sign. */
  readonly paper?: { readonly slope: number; readonly hasSameSign: boolean };
}

/** The weights of one run at its saved steps. */
export interface AnalyzedRun {
  readonly name: string;
  readonly path: string;
  readonly method: string;
  /** The folder of the pretrained model. */
  readonly model: string;
  readonly layers: readonly AnalyzedLayer[];
  readonly fits: AnalyzedFits;
  readonly againstFull?: AgainstFull;
}

/** How far weights moved in runs, by magnitude and direction: DoRA (arXiv 2402.09353), section 3.2. */
export interface Analysis {
  /** The axis of the vectors: `out` for the rows of a weight [out, in], `in` for its columns. */
  readonly axis: "out" | "in";
  /** The source of the axis: the user, the runs' own magnitudes, or the default. */
  readonly axisFrom: "asked" | "runs" | "default";
  readonly runs: readonly AnalyzedRun[];
  /** Slopes over the seeds of each method of a comparison; empty without one. */
  readonly methods?: readonly MethodSlopes[];
  /** Notes for the reader. */
  readonly notes: readonly string[];
}
