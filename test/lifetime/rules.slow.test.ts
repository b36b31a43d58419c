import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { oneLayer } from "../e2e/support.js";
import { runChild } from "./child.js";

const path = (name: string): string => fileURLToPath(new URL(`../../${name}`, import.meta.url));

/** Steps between two looks at memory. */
const EVERY = 4;

/** Steps at the start of a run in which code is still being compiled and caches fill: their memory doesn't count. */
const WARM_UP = 100;

const STEPS = 130;

interface Look {
  readonly phase: string;
  readonly step: number;
  readonly handles: number;
  readonly bytes: number;
}

/** A whole run of the library with evaluations, which looks at memory from its observer. */
function looksDuring(settings: object): Look[] {
  const run = {
    model: oneLayer(),
    train: path("test/golden/rows/train.jsonl"),
    validation: path("test/golden/rows/train.jsonl"),
    evalEvery: EVERY,
    batchSize: 4,
    dtype: "float32",
    threads: 1,
    ...settings,
  };
  return runChild(`
    import { mkdtempSync, rmSync } from "node:fs";
    import { tmpdir } from "node:os";
    import { join } from "node:path";
    import { finetune } from ${JSON.stringify(path("build/js/index.js"))};
    const output = mkdtempSync(join(tmpdir(), "bidora-memory-"));
    const looks = [];
    async function look({ event, phase, step }) {
      if (event !== "step" || step % ${EVERY} !== 0) return;
      for (let i = 0; i < 2; i++) { await turn(); globalThis.gc(); }
      looks.push({ phase, step, handles: torch.liveHandles(), bytes: torch.allocatedBytes() });
    }
    try {
      await finetune({ ...${JSON.stringify(run)}, output }, { observers: [look] });
    } finally {
      rmSync(output, { recursive: true });
    }
    report(looks);
  `) as Look[];
}

/** Median growth per step between two looks: a leak is in every one of them, V8's own work in few. */
function bytesPerStep(looks: readonly Look[]): number {
  const growths = looks.slice(1).map(({ bytes }, index) => (bytes - (looks[index] as Look).bytes) / EVERY);
  return growths.sort((a, b) => a - b)[growths.length >> 1] as number;
}

it.each([
  {
    rule: "plain",
    phases: ["train"],
    settings: { method: "dora", maxSteps: STEPS, gradientAccumulation: 2 },
  },
  {
    rule: "bilevel",
    phases: ["search", "retrain"],
    settings: { method: "bidora", maxSteps: STEPS, retrainSteps: STEPS, unrollSteps: 2 },
  },
  {
    rule: "bilevel, by differences",
    phases: ["search"],
    settings: { method: "bidora", maxSteps: STEPS, retrainSteps: 0, hypergradient: "finite-difference" },
  },
  {
    rule: "bilevel, with inverse Hessians",
    phases: ["search"],
    settings: { method: "bidora", maxSteps: STEPS, retrainSteps: 0, hypergradient: "cg", hypergradientTerms: 2 },
  },
])("keeps handles and memory in use flat under the $rule rule, with evaluations", ({ phases, settings }) => {
  const looks = looksDuring(settings).filter(({ step }) => step >= WARM_UP);
  for (const phase of phases) {
    const ofPhase = looks.filter((look) => look.phase === phase);
    const handles = ofPhase.map((look) => look.handles);
    expect(handles.length).toBeGreaterThanOrEqual(8);
    expect(new Set(handles).size, `${phase}: ${handles}`).toBe(1);
    expect(bytesPerStep(ofPhase), phase).toBeLessThan(2 * 1024);
  }
});
