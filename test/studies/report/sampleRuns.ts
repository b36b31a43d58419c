import type { Phase, RunEvent } from "../../../src/base/records/events.js";
import type { JsonValue } from "../../../src/base/records/json.js";
import type { RunLog } from "../../../src/base/records/runLog.js";

export interface SampleOptions {
  readonly name: string;
  readonly method: "lora" | "dora" | "bidora";
  readonly steps: number;
  readonly settings?: Readonly<Record<string, JsonValue>>;
}

const LAYERS = 6;

/** A made-up run, the same at every call: a falling noisy loss, evaluations, magnitudes that move for all but LoRA. */
export function sampleRun({ name, method, steps, settings = {} }: SampleOptions): RunLog {
  const random = makeRandom([...name].reduce((sum, letter) => 31 * sum + letter.charCodeAt(0), steps) % 1_000_003);
  const total = method === "bidora" ? 2 * steps : steps;
  const events: RunEvent[] = [start(method, settings)];
  for (let step = 1; step <= total; step++) {
    const phase: Phase = method !== "bidora" ? "train" : step <= steps ? "search" : "retrain";
    const within = phase === "retrain" ? step - steps : step;
    const at = { time: timeOf(step), phase, step };
    const loss = 0.18 + 0.52 * Math.exp((-3 * within) / steps) + 0.16 * (random() - 0.5);
    const search =
      phase === "search"
        ? { upperLoss: loss + 0.05 * random(), hypergradientNorm: 0.02 + 0.03 * random(), secondOrderShare: 0.2 / step }
        : {};
    const learningRate = (4e-4 * (steps - within)) / steps;
    events.push({
      event: "step",
      ...at,
      loss,
      ...search,
      learningRate,
      seconds: 0.12 + 0.02 * random(),
      rows: 32,
      tokens: 1290,
    });
    if (step % Math.ceil(steps / 8) === 0 || step === total)
      events.push(...evaluation(at, method, within / steps, random));
  }
  const metrics = { loss: 0.362, accuracy: 0.8603, f1: 0.8998 };
  events.push({
    event: "done",
    time: timeOf(total + 1),
    metrics,
    seconds: total * 0.135,
    peakMemoryBytes: 823_000_000,
  });
  return { name, events, isTorn: false };
}

/** A made-up run with held-out rows, as for early stopping, and validation metrics at its end. */
export function heldOutRun(options: SampleOptions): RunLog {
  const run = sampleRun({ ...options, settings: { ...options.settings, earlyStopping: 3, holdoutFraction: 0.2 } });
  const evaluations = run.events.filter((event) => event.event === "evaluation");
  const judged = (metrics: Readonly<Record<string, number>>) => metrics.accuracy!;
  const best = evaluations.reduce((a, b) => (judged(b.metrics) > judged(a.metrics) ? b : a)).metrics;
  const heldOut = Object.fromEntries(Object.entries(best).map(([name, value]) => [`holdout_${name}`, value]));
  const last = evaluations.at(-1)!;
  const ofEnd = (done: RunEvent): RunEvent[] =>
    done.event === "done"
      ? [
          { ...last, metrics: { ...done.metrics, ...heldOut } },
          { ...done, metrics: { ...done.metrics, ...heldOut } },
        ]
      : [done];
  return { ...run, events: run.events.flatMap(ofEnd) };
}

function start(method: string, settings: Readonly<Record<string, JsonValue>>): RunEvent {
  return {
    event: "start",
    time: timeOf(0),
    versions: { bidora: "0.1.0", node: "20.20.2", libtorch: "2.6.0" },
    machine: {
      system: "Debian GNU/Linux 13, x64",
      processor: "Intel Xeon Platinum 8481C",
      cores: 2,
      threads: 2,
      memoryBytes: 8_300_000_000,
      device: "cpu",
      blas: "OpenBLAS 0.3.29 (openmp)",
      fastBfloat16: true,
    },
    settings: {
      model: "sentence-transformers/all-MiniLM-L6-v2",
      task: "glue/mrpc",
      method,
      targetModules: ["query", "value"],
      rank: 8,
      alpha: 16,
      dropout: 0,
      batchSize: 32,
      learningRate: 0.0004,
      weightDecay: 0.01,
      maxGradNorm: null,
      dtype: "bfloat16",
      seed: 0,
      ...(method === "bidora" ? { hypergradient: "exact", xi: "learning-rate", searchFraction: 0.8 } : {}),
      ...settings,
    },
    rows: { train: 3668, validation: 408 },
    parameters: { total: 22_800_000, trained: method === "lora" ? 222_722 : 227_330 },
    judgedBy: { metric: "accuracy", goal: "maximize" },
    steps: { train: 100 },
  };
}

function evaluation(
  at: { time: string; phase: Phase; step: number },
  method: SampleOptions["method"],
  progress: number,
  random: () => number,
): RunEvent[] {
  const accuracy = 0.684 + 0.18 * (1 - Math.exp(-2.5 * progress)) + 0.012 * random();
  const metrics = { loss: 0.3 + 0.32 * Math.exp(-2.5 * progress) + 0.01 * random(), accuracy, f1: 0.45 + accuracy / 2 };
  const evaluated: RunEvent = { event: "evaluation", ...at, metrics };
  if (method === "lora") return [evaluated];
  const layers: Record<string, number> = {};
  const moved = at.phase === "retrain" ? 1 : progress;
  for (let layer = 0; layer < LAYERS; layer++) {
    for (const [place, kind] of ["query", "value"].entries()) {
      const pace = (0.4 + layer / LAYERS) * (1 + 0.4 * place) * (method === "bidora" ? 1.5 : 1);
      layers[`encoder.layer.${layer}.attention.self.${kind}`] = 0.011 * pace * (1 - Math.exp(-2 * moved));
    }
  }
  return [evaluated, { event: "magnitudes", ...at, layers }];
}

const timeOf = (second: number): string => new Date(Date.UTC(2026, 4, 17, 9, 30, second)).toISOString();

/** Park and Miller's generator: values in (0, 1), the same everywhere. */
function makeRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647;
  };
}
