import { expect, it } from "vitest";
import { runChild } from "./child.js";

// A worker that trains in scopes, with a kernel of the addon, and sends its last loss, or works on until it is ended.
const WORK = `
  const source = (steps) => \`
    import { parentPort } from "node:worker_threads";
    import(\${JSON.stringify(torchPath)}).then((torch) => {
      const generator = new torch.Generator(3);
      const weight = torch.normal_(torch.empty([64, 64]), 0, 1, { generator }).setRequiresGrad(true);
      const x = torch.normal_(torch.empty([64, 64]), 0, 1, { generator });
      parentPort.postMessage("started");
      let loss = 0;
      for (let i = 0; i < \${steps}; i++) {
        loss = torch.scope(() => {
          const value = torch.mean(torch.square(torch.fusedGelu(torch.linear(x, weight))));
          const [gradient] = torch.grad([value], [weight]);
          torch.noGrad(() => torch.add_(weight, gradient, { alpha: -1 }));
          try { torch.matmul(x, torch.ones([3])); } catch {}
          return value.item();
        });
      }
      parentPort.postMessage({ loss, handles: torch.liveHandles() });
    });
  \`;
  const start = (steps) => new Worker(source(steps), { eval: true });
  const once = (worker, event) => new Promise((resolve, reject) => worker.once(event, resolve).once("error", reject));
  const result = (worker) => new Promise((resolve, reject) => {
    worker.on("message", (message) => message !== "started" && resolve(message)).once("error", reject);
  });
`;

it("two workers at the same time get the results of one alone", () => {
  const [alone, ...both] = runChild(`${WORK}
    const alone = await result(start(300));
    report([alone, ...(await Promise.all([result(start(300)), result(start(300))]))]);
  `) as { loss: number; handles: number }[];
  expect(alone?.handles).toBe(3);
  expect(alone?.loss).toBeGreaterThan(0);
  for (const other of both) {
    expect(other.handles).toBe(3);
    expect(other.loss).toBeCloseTo(alone?.loss as number, 5);
  }
});

it("the process survives workers that are terminated while they compute", () => {
  const ended = runChild(`${WORK}
    const codes = [];
    for (let i = 0; i < 8; i++) {
      const worker = start(1e9);
      await once(worker, "message");
      await new Promise((resolve) => setTimeout(resolve, 5 * i));
      codes.push(await worker.terminate());
    }
    report({ codes, sum: torch.sum(torch.ones([3])).item() });
  `);
  expect(ended).toEqual({ codes: Array(8).fill(1), sum: 3 });
});

it("a handle of another thread is refused", () => {
  const message = runChild(`
    const x = torch.ones([1]);
    const worker = new Worker(\`
      import { parentPort, workerData } from "node:worker_threads";
      import(\${JSON.stringify(torchPath)}).then((torch) => {
        const own = Array.from({ length: 8 }, () => torch.zeros([1]));
        try { parentPort.postMessage(String(new torch.Tensor(workerData).item())); }
        catch (error) { parentPort.postMessage(error.message); }
      });
    \`, { eval: true, workerData: x.handle });
    worker.once("message", report);
  `);
  expect(message).toMatch(/already released/);
});
