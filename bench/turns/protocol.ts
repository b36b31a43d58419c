// The protocol between the benchmark and its workers: one JSON object per line, each request answered before the next.
import type { AdapterMethodName } from "../../src/models/adapters/index.js";
import type { BaseDtype } from "../../src/models/nn/index.js";

export type Precision = "float32" | "bfloat16";

/**
 * PEFT computes in bfloat16 in two ways: autocast over float32 weights, or with the base model's weights in bfloat16, which
 * bitsandbytes may quantize.
 */
export type PeerPrecision = "float32" | "bfloat16-autocast" | "bfloat16-weights" | `bitsandbytes-${"nf4" | "int8"}`;

export type Targets = "query-value" | "all-linear";

/** What a model's head is for. */
export type Kind = "sequence-classification" | "regression" | "causal-lm" | "embedding" | "preference";

export interface Shape {
  readonly rows: number;
  readonly length: number;
}

/** Rows from a file, which each side batches itself. */
export interface RealRows {
  readonly data: string;
  readonly batchSize: number;
  /** Both sides keep the file's order, so that their batches have the same rows; otherwise each side shuffles. */
  readonly isInOrder?: boolean;
  /** Peers sort rows by length within mega-batches of this many batches; by default, batches are random. */
  readonly bucketBatches?: number;
}

/**
 * A file of rows. A language model's `label` is transformers' labels: at each position the token itself, or -100. The label of a text to
 * embed is the text that belongs to it, or 0 for none. A prompt's `answers` are the chosen one and the rejected one.
 */
export interface RowsFile {
  readonly rows: readonly {
    readonly ids: readonly number[];
    readonly label: number | readonly number[];
    readonly answers?: readonly [chosen: readonly number[], rejected: readonly number[]];
  }[];
}

/** Random tokens of one length, or rows from a file. */
export type Input = { readonly shape: Shape } | RealRows;

interface Common {
  /** A model folder; for our worker, also a GGUF file. */
  readonly model: string;
  readonly kind: Kind;
  readonly targets: Targets;
  readonly rank: number;
  readonly threads: number;
  /** Where both sides compute; by default the CPU. */
  readonly device?: string;
  /** Outputs of the head; 1 for regression, 0 for a language model. */
  readonly labels: number;
  /** What one count of `run` does: a step, or one pass over the data. */
  readonly unit: "step" | "pass";
}

export type Estimator = "forward-difference" | "exact" | "finite-difference" | "first-order";

export type OwnSpec = Common &
  Input & {
    readonly task: "train" | "predict" | "limit";
    readonly method: AdapterMethodName | "bidora";
    readonly precision: Precision;
    /** How frozen matrices are held; by default as the model has them. */
    readonly baseDtype?: BaseDtype;
    readonly hypergradient?: Estimator;
  };

export type PeerSpec = Common &
  Input & {
    readonly task: "train" | "predict";
    readonly method: "lora" | "dora";
    readonly precision: PeerPrecision;
  };

/** The published search in PyTorch, in float32 as published. */
export type PublishedSpec = Common & Input;

/** One count of `run` generates `newTokens` tokens for every prompt, greedily and in one batch. */
export interface GenerateSpec {
  readonly task: "generate";
  /** A model folder or a GGUF file; transformers takes only the first, llama.cpp only the second. */
  readonly model: string;
  readonly precision: Precision;
  readonly threads: number;
  /** Token ids; all prompts have the same length. */
  readonly prompts: readonly (readonly number[])[];
  readonly newTokens: number;
}

/** One count of `run` embeds all texts of a file, from the text to the vector. */
export interface EncodeSpec {
  readonly task: "encode";
  /** The folder of a sentence-transformers model. */
  readonly model: string;
  readonly precision: Precision | PeerPrecision;
  readonly threads: number;
  /** A file with a list of texts, as JSON. */
  readonly texts: string;
  readonly batchSize: number;
}

/** One count of `run` reads this many bytes of memory, more than the caches hold. */
export interface ReadSpec {
  readonly task: "read";
  readonly bytes: number;
  readonly threads: number;
}

/**
 * Forward products with frozen matrices [to, from], which take turns, so that each comes from memory. A count is some products with the
 * first number of rows, the next one some with the second, and so on.
 */
export interface ProductSpec {
  readonly task: "product";
  /** A quantization format, or "bfloat16" for dense matrices. */
  readonly format: string;
  readonly from: number;
  readonly to: number;
  readonly counts: readonly ProductCount[];
  /** The bytes that the matrices have together, at least. */
  readonly bytes: number;
  readonly threads: number;
}

/** Products with so many rows. */
export interface ProductCount {
  readonly rows: number;
  readonly products: number;
}

/** A task for our own worker. */
export type WorkerSpec = OwnSpec | GenerateSpec | EncodeSpec | ReadSpec | ProductSpec;

export type Spec = WorkerSpec | PeerSpec | PublishedSpec;

export type Request =
  | { readonly command: "prepare"; readonly spec: Spec }
  | { readonly command: "run"; readonly count: number }
  | { readonly command: "memory" }
  /** Our worker only: `count` steps with every native call timed. */
  | { readonly command: "meter"; readonly count: number }
  /** Our worker only: `count` steps under libtorch's profiler. */
  | { readonly command: "profile"; readonly count: number };

export type Facts = Readonly<Record<string, string | number | boolean>>;

export interface Memory {
  /** The peak of the memory that libtorch has reserved on the card; on the CPU `VmHWM`, the process's peak resident memory. */
  readonly peakMiB: number;
  readonly residentMiB: number;
}

/** For each count: wall time, and processor time summed over all threads. */
export interface Timed {
  readonly seconds: readonly number[];
  readonly cpuSeconds: readonly number[];
}

export interface Metered {
  /** Per step: wall time, the part of it inside native calls, the number of native calls, and page faults. */
  readonly seconds: number;
  readonly nativeSeconds: number;
  readonly calls: number;
  readonly pageFaults: number;
}

export interface ProfileRow {
  readonly name: string;
  readonly pass: "forward" | "backward" | "optimizer and others";
  /** Calls per step. */
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
