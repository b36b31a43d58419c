// analysis.json: how far magnitudes and directions moved in runs.
import type { Phase } from "./events.js";

/** The files of an analysis. */
export const ANALYSIS = { page: "analysis.html", data: "analysis.json" } as const;

/** A line through points (ΔD, ΔM) by least squares. */
export interface LineFit {
  readonly points: number;
  /** Change of ΔM with ΔD; null where there is no such line. */
  readonly slope: number | null;
  readonly intercept: number | null;
  /** Pearson's, from -1 to 1; null where one of the two does not vary. */
  readonly correlation: number | null;
  /** Why something is null: one sentence. */
  readonly note?: string;
}

/** How far a layer's weight is from the pretrained one at a saved step. */
export interface AnalyzedStep {
  /** Counted through the whole run; null for an end whose step nothing tells. */
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
  /** Its number in the stack. */
  readonly layer: number;
  /** What it is there: `query`. */
  readonly kind: string;
  /** How many vectors the means are over. */
  readonly vectors: number;
  readonly steps: readonly AnalyzedStep[];
}

/** The lines of one run. */
export interface AnalyzedFits {
  /**
   * The phase that `all` and `kinds` are of, and that compares with full fine-tuning: of a run with several the search, in which
   * magnitudes and directions move together. Null where the saved steps tell none.
   */
  readonly phase: Phase | null;
  /** Through the points of all layers. */
  readonly all: LineFit;
  readonly kinds: Readonly<Record<string, LineFit>>;
  /** The lines of all layers by phase, in a run of several. */
  readonly phases?: Partial<Readonly<Record<Phase, LineFit>>>;
}

/** A run's slope beside that of full fine-tuning. */
export interface AgainstFull {
  /** The run's phase that is compared. */
  readonly phase: Phase | null;
  /** The runs of full fine-tuning, and the mean of their slopes. */
  readonly runs: readonly string[];
  readonly slope: number;
  /** The run's slope less that one. */
  readonly difference: number;
  readonly hasSameSign: boolean;
}

/** One run's weights through its saved steps. */
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

/** How weights moved in runs, magnitude and direction apart: DoRA (arXiv 2402.09353), section 3.2. */
export interface Analysis {
  /** Of the vectors: `out`, rows of a weight [out, in]; `in`, its columns. */
  readonly axis: "out" | "in";
  /** Where the axis comes from: the call, the runs' own magnitudes, or the default. */
  readonly axisFrom: "asked" | "runs" | "default";
  readonly runs: readonly AnalyzedRun[];
  /** What is worth a sentence. */
  readonly notes: readonly string[];
}
