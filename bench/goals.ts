import type { Machine } from "./machine.js";
import type { Goal } from "./rows.js";

/** The ratios to reach on one kind of processor. */
export interface Goals {
  /** LoRA and DoRA steps against PEFT in its fastest precision. */
  readonly peft: { readonly lora: Goal; readonly dora: Goal; readonly doraAllLinear: Goal };
  /** A LoRA step against its frozen products alone. */
  readonly limit: Goal;
  /** Against our LoRA step. */
  readonly cost: { readonly dora: Goal; readonly forwardDifference: Goal; readonly exact: Goal };
  readonly published: { readonly queryValue: Goal; readonly allLinear: Goal };
  /** Prediction, and training on published data sets, against peers that bucket by length. */
  readonly real: Goal;
  readonly start: Goal;
  /** Against the previous build; `others` must not get slower, beyond the noise between turns. */
  readonly before: { readonly lora: Goal; readonly others: Goal; readonly real: Goal; readonly memory: Goal };
  readonly memory: { readonly peft: Goal; readonly exact: Goal };
  /** A language model's LoRA step against PEFT's, and the cost of other methods relative to it. */
  readonly language: { readonly peft: Goal; readonly memory: Goal; readonly dora: Goal; readonly search: Goal };
  /** Rows per second against TRL in its fastest precision, and memory against fine-tuning on as many tokens. */
  readonly preference: { readonly trl: Goal; readonly memory: Goal };
  /** Against sentence-transformers in its fastest precision. */
  readonly embeddings: { readonly train: Goal; readonly encode: Goal };
  /** Tokens per second against peers, and of many prompts at once against one; time to the first token. */
  readonly generate: {
    readonly transformers: Goal;
    readonly llamaCpp: Goal;
    readonly atOnce: Goal;
    readonly firstToken: Goal;
  };
  /** Packed weights: a step and a product of many rows compared with dense ones, products of few rows with reading them, and peers. */
  readonly packed: {
    readonly step: Goal;
    readonly peft: Goal;
    readonly product: Goal;
    readonly read: Goal;
    readonly llamaCpp: Goal;
  };
}

const COMMON = {
  start: { atLeast: 5 },
  memory: { peft: { atMost: 0.6 }, exact: { atMost: 1.25 } },
  language: {
    peft: { atLeast: 2 },
    memory: { atMost: 0.5 },
    dora: { atMost: 1.08 },
    search: { atMost: 3.3 },
  },
  preference: { trl: { atLeast: 2 }, memory: { atMost: 1.15 } },
  embeddings: { train: { atLeast: 2 }, encode: { atLeast: 2.5 } },
  generate: {
    transformers: { atLeast: 3 },
    llamaCpp: { atLeast: 1.2 },
    atOnce: { atLeast: 6 },
    firstToken: { atLeast: 1.3 },
  },
  packed: {
    step: { atMost: 1.1 },
    peft: { atLeast: 3 },
    product: { atMost: 1.1 },
    read: { atLeast: 0.6 },
    llamaCpp: { atLeast: 1.2 },
  },
} as const;

const WITH_AMX: Goals = {
  ...COMMON,
  peft: { lora: { atLeast: 3 }, dora: { atLeast: 3 }, doraAllLinear: { atLeast: 6 } },
  limit: { atMost: 2 },
  cost: { dora: { atMost: 1.1 }, forwardDifference: { atMost: 3.3 }, exact: { atMost: 3.5 } },
  published: { queryValue: { atLeast: 9 }, allLinear: { atLeast: 14 } },
  real: { atLeast: 2 },
  before: { lora: { atLeast: 1.8 }, others: { atLeast: 0.97 }, real: { atLeast: 1.2 }, memory: { atMost: 1.05 } },
};

const WITHOUT_AMX: Goals = {
  ...COMMON,
  peft: { lora: { atLeast: 1.3 }, dora: { atLeast: 1.3 }, doraAllLinear: { atLeast: 2.3 } },
  limit: { atMost: 1.3 },
  cost: { dora: { atMost: 1.08 }, forwardDifference: { atMost: 3.2 }, exact: { atMost: 3.4 } },
  published: { queryValue: { atLeast: 3.5 }, allLinear: { atLeast: 6 } },
  real: { atLeast: 1.5 },
  before: { lora: { atLeast: 1.1 }, others: { atLeast: 0.97 }, real: { atLeast: 1 }, memory: { atMost: 1.05 } },
};

const ON_CARD: Goals = {
  ...WITHOUT_AMX,
  peft: { lora: { atLeast: 1.2 }, dora: { atLeast: 2 }, doraAllLinear: { atLeast: 2 } },
  cost: { dora: { atMost: 1.08 }, forwardDifference: { atMost: 3.3 }, exact: { atMost: 3.3 } },
  memory: { peft: { atMost: 1 }, exact: { atMost: 1.25 } },
  language: { peft: { atLeast: 1.2 }, memory: { atMost: 1 }, dora: { atMost: 1.08 }, search: { atMost: 3.3 } },
};

export const hasAmx = ({ bfloat16 }: Machine): boolean => bfloat16.includes("amx");

/** @param device the card, if not the CPU is measured */
export function goalsFor(machine: Machine, device: string | undefined): Goals {
  if (device !== undefined) return ON_CARD;
  return hasAmx(machine) ? WITH_AMX : WITHOUT_AMX;
}
