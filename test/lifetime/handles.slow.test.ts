// What is no tensor, or is one no more, is refused: the process goes on, and no other tensor is touched.
import { expect, it } from "vitest";
import { runChild } from "./child.js";

it("objects that pretend to be tensors are refused", () => {
  const outcomes = runChild(`
    const x = torch.ones([2, 2]);
    const gone = torch.ones([2]);
    gone.dispose();
    const handles = [-1, 0.5, NaN, Infinity, 1e300, 2 ** 53, 2 ** 52 + 1, 16777215, "0", "", null, undefined, {}, [], true, 1n, () => 0, Symbol("x")];
    const pretenders = [
      ...handles.map((handle) => ({ handle })),
      Object.create(torch.Tensor.prototype),
      Object.create(x),
      new Proxy(x, {}),
      gone,
      new torch.Generator(1),
      { handle: x.handle + 2 ** 24 },
      structuredClone({ handle: x.handle + 1 }),
      null, undefined, 1, "x",
    ];
    const uses = [
      (one) => torch.neg(one),
      (one) => torch.mm(x, one),
      (one) => torch.cat([x, one], 0),
      (one) => torch.grad([torch.sum(x)], [one]),
      (one) => torch.writeFile(one, -1, 0),
      (one) => torch.Tensor.prototype.dispose.call(one),
      (one) => torch.Tensor.prototype.item.call(one),
      (one) => Object.getOwnPropertyDescriptor(torch.Tensor.prototype, "shape").get.call(one),
    ];
    const outcome = (use, one) => {
      try {
        use(one);
        return "done";
      } catch (error) {
        return error instanceof Error ? "refused" : "odd";
      }
    };
    const counts = {};
    for (const use of uses) for (const one of pretenders) {
      const what = outcome(use, one);
      counts[what] = (counts[what] ?? 0) + 1;
    }
    report({ counts, x: x.toArray() });
  `) as { counts: Record<string, number>; x: number[] };
  expect(outcomes.x).toEqual([1, 1, 1, 1]);
  expect(outcomes.counts.odd).toBeUndefined();
  // What may be done: disposing of a tensor twice.
  expect(outcomes.counts.done ?? 0).toBeLessThanOrEqual(3);
});

it("a tensor is refused by every function once it was disposed of, also after its slot was used again", () => {
  const messages = runChild(`
    const gone = torch.ones([2]);
    const { handle } = gone;
    gone.dispose();
    const next = torch.zeros([2]); // takes the slot
    const attempts = [
      () => torch.neg(gone), () => gone.item(), () => gone.toArray(), () => gone.bytes(), () => gone.requiresGrad,
      () => gone.setRequiresGrad(true), () => gone.grad, () => gone.setGrad(next), () => gone.version, () => next.setGrad(gone),
      () => torch.backward(gone), () => new torch.Tensor(handle).item(),
    ];
    const messages = attempts.map((attempt) => { try { attempt(); return "done"; } catch (error) { return error.message; } });
    for (let i = 0; i < 3; i++) { globalThis.gc(); await turn(); }
    report([...messages, next.toArray().join()]);
  `) as string[];
  expect(messages.pop()).toBe("0,0");
  for (const message of messages) expect(message).toMatch(/already released/);
});

it("handles sent to a worker are refused there, however many are tried", () => {
  const accepted = runChild(`
    const tensors = Array.from({ length: 50 }, (_, i) => torch.tensor([i]));
    const worker = new Worker(\`
      import { parentPort, workerData } from "node:worker_threads";
      import(\${JSON.stringify(torchPath)}).then((torch) => {
        const own = Array.from({ length: 50 }, () => torch.zeros([1]));
        const accepted = workerData.filter((handle) => {
          try { new torch.Tensor(handle).item(); return true; } catch { return false; }
        });
        const operators = workerData.filter((handle) => {
          try { torch.neg({ handle }); return true; } catch { return false; }
        });
        parentPort.postMessage([accepted.length, operators.length, own.every((one) => one.item() === 0)]);
      });
    \`, { eval: true, workerData: tensors.map(({ handle }) => handle) });
    worker.once("message", report);
  `);
  expect(accepted).toEqual([0, 0, true]);
});

// A worker in the middle of recorded work: a tape, a checkpointed part, a backward pass, a profile.
it("the process survives workers that are terminated while they record, recompute or differentiate", () => {
  const ended = runChild(`
    const source = \`
      import { parentPort } from "node:worker_threads";
      import(\${JSON.stringify(torchPath)}).then((torch) => {
        const w = torch.ones([64, 64]).setRequiresGrad(true);
        torch.startProfile();
        parentPort.postMessage("started");
        for (;;) torch.scope(() => {
          const inner = (x) => torch.scope(() => torch.gelu(torch.mm(x, w)));
          const loss = torch.mean(torch.checkpoint(() => inner(torch.checkpoint(() => inner(w)))));
          torch.grad([loss], [w]);
        });
      });
    \`;
    const codes = [];
    for (let i = 0; i < 6; i++) {
      const worker = new Worker(source, { eval: true });
      await new Promise((resolve, reject) => worker.once("message", resolve).once("error", reject));
      await new Promise((resolve) => setTimeout(resolve, 7 * i));
      codes.push(await worker.terminate());
    }
    report({ codes, sum: torch.sum(torch.ones([3])).item() });
  `);
  expect(ended).toEqual({ codes: Array(6).fill(1), sum: 3 });
});

it.each([
  ["process.exit inside a worker's scope", "torch.scope(() => { torch.ones([9]); process.exit(0); });"],
  [
    "an error in a scope of a checkpointed part",
    "torch.checkpoint(() => torch.scope(() => { torch.ones([9]); throw new Error('x'); }));",
  ],
])("a worker ends by %s, and the process goes on", (_, script) => {
  const sum = runChild(`
    const worker = new Worker(\`import(\${JSON.stringify(torchPath)}).then((torch) => { ${script} })\`, { eval: true });
    worker.on("error", () => {});
    await new Promise((resolve) => worker.once("exit", resolve));
    report(torch.sum(torch.ones([3])).item());
  `);
  expect(sum).toBe(3);
});
