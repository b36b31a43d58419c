import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, it } from "vitest";
import { addonPath } from "../../src/torch/installations/inUse.js";
import { runChild } from "./child.js";

const folder = mkdtempSync(join(tmpdir(), "addon-"));
afterAll(() => rmSync(folder, { recursive: true }));

const torchPath = fileURLToPath(new URL("../../build/js/torch/index.js", import.meta.url));

it("works next to a second copy of the addon at another path", () => {
  const copy = join(folder, "copy.node");
  copyFileSync(addonPath(), copy);
  const results = runChild(`
    import { createRequire } from "node:module";
    torch.ones([1]);
    const other = createRequire(import.meta.url)(${JSON.stringify(copy)});
    const first = other.declareOperators(["aten::neg"]);
    const x = other.fromBytes(new Uint8Array(Float32Array.of(2).buffer), [1], "float32", "float32");
    let foreign = "accepted";
    try { other.item(torch.ones([1]).handle); } catch (error) { foreign = error.message; }
    report([other.item(other.call(first, x)), torch.neg(torch.ones([1])).item(), foreign]);
  `);
  expect(results).toEqual([-2, -1, expect.stringMatching(/released/)]);
});

it("serves two copies of the TypeScript, each with its own list of operators", () => {
  const results = runChild(`
    const again = await import(torchPath.replace("index.js", "generated/operators.js") + "?again");
    const x = torch.ones([2]);
    report([again.neg(x).toArray(), torch.neg(x).toArray(), torch.exp(torch.zeros([1])).item()]);
  `);
  expect(results).toEqual([[-1, -1], [-1, -1], 1]);
});

it("stays loaded after the only worker that used it has ended", () => {
  const results = runChild(
    `
    import { readFileSync } from "node:fs";
    import { Worker } from "node:worker_threads";
    const work = \`import(${JSON.stringify(JSON.stringify(torchPath)).slice(1, -1)}).then((torch) => torch.mm(torch.ones([300, 300]), torch.ones([300, 300])))\`;
    const codes = [];
    for (let i = 0; i < 3; i++) codes.push(await new Promise((resolve) => new Worker(work, { eval: true }).once("exit", resolve)));
    await new Promise((resolve) => setTimeout(resolve, 200));
    const isMapped = readFileSync("/proc/self/maps", "utf8").includes("bidora.node");
    console.log(JSON.stringify([...codes, isMapped]));
  `,
    { prelude: false },
  );
  expect(results).toEqual([0, 0, 0, true]);
});

it.each([
  [
    "with live tensors and a graph",
    "globalThis.loss = torch.sum(torch.square(torch.ones([3]).setRequiresGrad(true)));",
  ],
  ["from inside a scope", "torch.scope(() => { torch.ones([3]); process.exit(0); });"],
  [
    "while a worker works",
    `
    const worker = new Worker(\`import(\${JSON.stringify(torchPath)}).then(async (torch) => {
      torch.ones([1]);
      (await import("node:worker_threads")).parentPort.postMessage("works");
      for (;;) torch.scope(() => void torch.mm(torch.ones([200, 200]), torch.ones([200, 200])));
    })\`, { eval: true });
    await new Promise((resolve) => worker.once("message", resolve));
    await new Promise((resolve) => setTimeout(resolve, 200));
    process.exit(0);`,
  ],
  ...[0, 40, 150, 300].map((after) => [
    `${after} ms after libtorch began to be loaded in its thread`,
    `
    const { preloadEngine } = await import(new URL("native/index.js", "file://" + torchPath));
    preloadEngine();
    await new Promise((resolve) => setTimeout(resolve, ${after}));
    process.exit(0);`,
  ]),
  ["while a profile is being recorded", "torch.startProfile(); torch.pushRange('x'); torch.ones([1]);"],
])("exits cleanly %s", (_, script) => {
  expect(runChild(`report("ran");\n${script}`)).toBe("ran");
});

it("leaves Node's signal handlers in place", () => {
  const status = runChild(
    `
    import { readFileSync } from "node:fs";
    const caught = () => readFileSync("/proc/self/status", "utf8").match(/SigCgt:\\s*(\\w+)/)[1];
    const before = caught();
    (await import(${JSON.stringify(torchPath)})).ones([1]);
    console.log(JSON.stringify([before, caught()]));
  `,
    { prelude: false },
  ) as string[];
  expect(status[1]).toBe(status[0]);
});
