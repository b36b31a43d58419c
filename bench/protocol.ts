// What the benchmark and its workers say to each other: one JSON object a line, each request answered before the next.

export type Precision = "float32" | "bfloat16";

/** PEFT computes in bfloat16 in two ways: autocast over float32 weights, or with the base model's weights in bfloat16. */
export type PeerPrecision = "float32" | "bfloat16-autocast" | "bfloat16-weights";

export type Targets = "query-value" | "all-linear";

/** What a model's head is for. */
export type Kind = "sequence-classification" | "regression" | "causal-lm";

export interface Shape {
  readonly rows: number;
  readonly length: number;
}

/** Rows from a file, in batches that each side makes. */
export interface RealRows {
  readonly data: string;
  readonly batchSize: number;
  /** Both sides take them in the file's order, so that each batch has the same rows; else each draws its own. */
  readonly isInOrder?: boolean;
  /** Peers sort rows by length within stretches of so many batches; without it batches are drawn at random. */
  readonly bucketBatches?: number;
}

/** What a file of rows holds. A language model's `label` has the token itself, or -100, at each place: transformers' labels. */
export interface FileOfRows {
  readonly rows: readonly { readonly ids: readonly number[]; readonly label: number | readonly number[] }[];
}

/** Random tokens of one length, or rows from a file. */
export type Input = { readonly shape: Shape } | RealRows;

interface Common {
  readonly model: string;
  readonly kind: Kind;
  readonly targets: Targets;
  readonly rank: number;
  readonly threads: number;
  /** Outputs of the head; 1 for regression, none for a language model. */
  readonly labels: number;
  /** What one count of `run` is: a step, or all batches of the data once. */
  readonly unit: "step" | "pass";
}

export type Estimator = "forward-difference" | "exact" | "finite-difference" | "first-order";

export type OwnSpec = Common &
  Input & {
    readonly task: "train" | "predict" | "limit";
    readonly method: "lora" | "dora" | "bidora";
    readonly precision: Precision;
    readonly hypergradient?: Estimator;
  };

export type PeerSpec = Common &
  Input & {
    readonly task: "train" | "predict";
    readonly method: "lora" | "dora";
    readonly precision: PeerPrecision;
  };

/** The published search in PyTorch: float32, the one type that it was published in. */
export type PublishedSpec = Common & Input;

/** Prompts that are gone on with all at once, by the likeliest token, to `newTokens` each: what one count of `run` is. */
export interface GenerateSpec {
  readonly task: "generate";
  /** For llama.cpp a GGUF file. */
  readonly model: string;
  readonly precision: Precision;
  readonly threads: number;
  /** Token ids; all of one length. */
  readonly prompts: readonly (readonly number[])[];
  readonly newTokens: number;
}

/** So many bytes are read from memory, more than caches hold: what one count of `run` is. */
export interface ReadSpec {
  readonly task: "read";
  readonly bytes: number;
  readonly threads: number;
}

/** What our own worker is told. */
export type WorkerSpec = OwnSpec | GenerateSpec | ReadSpec;

export type Spec = WorkerSpec | PeerSpec | PublishedSpec;

export type Request =
  | { readonly command: "prepare"; readonly spec: Spec }
  | { readonly command: "run"; readonly count: number }
  | { readonly command: "memory" }
  /** Ours alone: `count` steps with each native call timed. */
  | { readonly command: "meter"; readonly count: number }
  /** Ours alone: `count` steps under libtorch's own profiler. */
  | { readonly command: "profile"; readonly count: number };

export type Facts = Readonly<Record<string, string | number | boolean>>;

export interface Memory {
  /** `VmHWM`: the most that was resident since the process began. */
  readonly peakMiB: number;
  readonly residentMiB: number;
}

/** For each count: wall time, and processor time of all threads together. */
export interface Timed {
  readonly seconds: readonly number[];
  readonly cpuSeconds: readonly number[];
}

export interface Metered {
  /** Wall time of a step, of which inside native calls, the number of these, and of pages faulted in. */
  readonly seconds: number;
  readonly nativeSeconds: number;
  readonly calls: number;
  readonly pageFaults: number;
}

export interface ProfileRow {
  readonly name: string;
  readonly pass: "forward" | "backward" | "optimizer and others";
  /** In a step. */
  readonly calls: number;
  readonly milliseconds: number;
}

export interface Answers {
  readonly prepare: { readonly facts: Facts };
  readonly run: Timed;
  readonly memory: Memory;
  readonly meter: Metered;
  readonly profile: {
    readonly seconds: number;
    readonly nodes: readonly ProfileRow[];
    readonly kernels: readonly ProfileRow[];
  };
}
