import { expect, it } from "vitest";
import { runChild } from "./child.js";

it("the garbage collector releases tensors that no scope owns", () => {
  const live = runChild(`
    const before = torch.liveHandles();
    for (let i = 0; i < 300; i++) torch.neg(torch.ones([1000]));
    const made = torch.liveHandles() - before;
    for (let i = 0; i < 5; i++) { globalThis.gc(); await turn(); }
    report({ made, left: torch.liveHandles() - before });
  `) as { made: number; left: number };
  expect(live.made).toBeGreaterThan(0);
  expect(live.left).toBeLessThanOrEqual(2);
});

it("garbage is collected before memory runs out, because V8 knows the tensors' sizes", () => {
  const { peak } = runChild(`
    const start = process.memoryUsage().rss;
    let peak = 0;
    for (let i = 0; i < 400; i++) {
      torch.ones([1 << 20]); // 4 MiB, 1.6 GiB in all
      await turn();
      peak = Math.max(peak, process.memoryUsage().rss - start);
    }
    report({ peak });
  `) as { peak: number };
  expect(peak).toBeLessThan(600 * 2 ** 20);
});

it("each storage is reported to the collector once, until it is released", () => {
  const MiB = 2 ** 20;
  const steps = runChild(`
    const start = torch.collectableBytes();
    const steps = {};
    const note = (name) => (steps[name] = torch.collectableBytes() - start);
    const x = torch.ones([1 << 20]);
    note("made");
    const views = [torch.alias(x), torch.select(x, 0, 0), torch.view(x, [-1, 2])];
    note("viewed");
    x.dispose();
    note("disposed, views live");
    for (const view of views) view.dispose();
    note("all disposed");
    torch.scope(() => { const inside = torch.ones([1 << 20]); note("in a scope"); torch.keep(inside); note("kept"); });
    const out = torch.scope(() => torch.ones([1 << 20]));
    note("returned");
    out.dispose();
    for (let i = 0; i < 5; i++) { globalThis.gc(); await turn(); }
    note("collected");
    report(steps);
  `) as Record<string, number>;
  const inMiB = Object.fromEntries(Object.entries(steps).map(([name, bytes]) => [name, Math.round(bytes / MiB)]));
  expect(inMiB).toEqual({
    made: 4,
    viewed: 4,
    "disposed, views live": 4,
    "all disposed": 0,
    "in a scope": 0,
    kept: 4,
    returned: 8,
    collected: 0,
  });
});
