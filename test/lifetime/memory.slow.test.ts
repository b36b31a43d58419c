import { expect, it } from "vitest";
import { runChild } from "./child.js";

it("keeps resident memory flat over 1 000 training steps", () => {
  const { at200, at1000, handles } = runChild(`
    const generator = new torch.Generator(1);
    const draw = (shape) => torch.mulScalar_(torch.normal_(torch.empty(shape), 0, 1, { generator }), 0.1).setRequiresGrad(true);
    const weights = [draw([128, 64]), draw([128]), draw([10, 128])];
    const like = () => weights.map((weight) => torch.zeros(weight.shape));
    const [first, second] = [like(), like()];
    const steps = weights.map(() => torch.zeros([]));
    const rates = { lr: 1e-3, beta1: 0.9, beta2: 0.999, weightDecay: 0.01, eps: 1e-8, amsgrad: false, maximize: false };
    function step() {
      const x = torch.normal_(torch.empty([32, 64]), 0, 1, { generator });
      const labels = torch.randint(10, [32], { generator });
      const hidden = torch.gelu(torch.layerNorm(torch.linear(x, weights[0], weights[1]), [128]));
      const kept = torch.bernoulli_(torch.emptyLike(hidden), 0.9, { generator });
      const loss = torch.crossEntropyLoss(torch.linear(torch.mul(hidden, kept), weights[2]), labels);
      torch.backward(loss);
      torch.noGrad(() => {
        torch.foreachAddScalar_(steps, 1);
        torch.fusedAdamw_(weights, weights.map((weight) => weight.grad), first, second, [], steps, rates);
      });
      for (const weight of weights) weight.setGrad(undefined);
      try { torch.matmul(x, x); } catch {}
      return loss.item();
    }
    let at200 = 0;
    let handles = 0;
    for (let i = 1; i <= 1000; i++) {
      torch.scope(step);
      await turn();
      if (i === 200) {
        globalThis.gc();
        at200 = process.memoryUsage().rss;
        handles = torch.liveHandles();
      }
    }
    globalThis.gc();
    report({ at200, at1000: process.memoryUsage().rss, handles: torch.liveHandles() - handles });
  `) as { at200: number; at1000: number; handles: number };
  expect(handles).toBe(0);
  expect(at1000 / at200).toBeLessThan(1.05);
});

it("keeps resident memory flat when tensors of one size are made and freed again and again", () => {
  const { before, after } = runChild(`
    const x = torch.zeros([3_000_000], { dtype: "bfloat16" });
    const step = () => void torch.abs(torch.castTo(x, "float64"));
    for (let i = 0; i < 4; i++) torch.scope(step);
    const before = process.memoryUsage().rss;
    for (let i = 0; i < 40; i++) torch.scope(step);
    report({ before, after: process.memoryUsage().rss });
  `) as { before: number; after: number };
  expect(after / before).toBeLessThan(1.1);
});

it("allocatedBytes counts small and mapped tensors of every thread until they are freed", () => {
  const UNIT = 16 * 2 ** 20; // far more than what V8 allocates and frees meanwhile
  const grown = runChild(`
    const start = torch.allocatedBytes();
    const grown = {};
    const note = (name) => (grown[name] = Math.round((torch.allocatedBytes() - start) / ${UNIT}));
    const small = torch.scope(() => torch.ones([1 << 22]));
    note("small");
    const mapped = torch.scope(() => torch.ones([1 << 24])); // above the largest mmap threshold
    note("mapped");
    torch.scope(() => { torch.view(small, [-1, 2]); });
    note("a view");
    const worker = new Worker(\`
      import { parentPort } from "node:worker_threads";
      const torch = await import(\${JSON.stringify(torchPath)});
      globalThis.held = torch.keep(torch.ones([1 << 24]));
      parentPort.postMessage("made");
      parentPort.on("message", () => {});
    \`, { eval: true });
    await new Promise((resolve, reject) => worker.once("message", resolve).once("error", reject));
    grown.worker = torch.allocatedBytes() - start > 8.5 * ${UNIT};
    await worker.terminate();
    small.dispose();
    mapped.dispose();
    note("freed");
    report(grown);
  `) as Record<string, number | boolean>;
  expect(grown).toEqual({ small: 1, mapped: 5, "a view": 5, worker: true, freed: 0 });
});

it("gradient checkpointing keeps a part's inputs only, and frees what its backward pass recomputed", () => {
  const grown = (part: string) =>
    runChild(`
      const peak = () => Number(/VmHWM:\\s+(\\d+)/.exec(readFileSync("/proc/self/status", "utf8"))[1]) * 1024;
      const { readFileSync } = await import("node:fs");
      const x = torch.ones([2 ** 23 + 4096]).setRequiresGrad(true); // so large that the system gets it back
      const inner = (y) => torch.scope(() => torch.exp(torch.exp(torch.exp(torch.exp(torch.exp(torch.exp(y)))))));
      const before = peak();
      torch.scope(() => {
        let y = x;
        for (let i = 0; i < 8; i++) y = torch.scope(() => ${part});
        torch.grad([torch.sum(y)], [x]);
      });
      report((peak() - before) / x.nbytes);
    `) as number;
  expect(grown("inner(y)")).toBeGreaterThan(40);
  expect(grown("torch.checkpoint(() => inner(y))")).toBeLessThan(24);
});
