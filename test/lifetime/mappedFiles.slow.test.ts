// Tensors whose memory is a file's own pages, and other programs that change the file.
import { expect, it } from "vitest";
import { freshPath } from "../support/workFolder.js";
import { runChild } from "./child.js";

/** What the tests have in common: a file of ones, a tensor of it, and the code of the error that a function throws. */
const FILE = `
  import { appendFileSync, closeSync, openSync, renameSync, rmSync, truncateSync, writeFileSync } from "node:fs";
  const COUNT = 2 ** 21;
  const ones = new Uint8Array(new Float32Array(COUNT).fill(1).buffer);
  function mapped(path) {
    writeFileSync(path, ones);
    const descriptor = openSync(path, "r");
    const tensor = torch.mapOrReadFile({ path, descriptor }, 0, [COUNT], "float32");
    closeSync(descriptor);
    return tensor;
  }
  function thrown(run) {
    try {
      return run();
    } catch ({ code, message }) {
      return [code, message];
    }
  }
`;

const inChild = (script: string): unknown => runChild(FILE + script);

const changed = (path: string): string[] => [
  "FILE_CHANGED",
  `${path} was changed while it was in use, so that results may be wrong: run the command again, and replace such a file by moving another over it (mv), not by writing to it.`,
];

it("a file that is cut off is an error of every read until its tensors are gone, on all threads of a computation", () => {
  const [path, output] = [freshPath("weights"), freshPath("output")];
  const found = inChild(`
    torch.setThreads(2);
    const [path, output] = ${JSON.stringify([path, output])};
    const tensor = mapped(path);
    const other = torch.ones([3]);
    const before = torch.sum(tensor).item();
    truncateSync(path, 0);
    const sum = torch.sum(torch.mul(tensor, tensor));
    const results = [
      thrown(() => sum.item()),
      thrown(() => other.toArray()),
      thrown(() => torch.sum(tensor).bytes()),
      thrown(() => torch.writeFile(tensor, openSync(output, "w"), 0)),
      thrown(() => torch.matmul(other, torch.ones([4]))),
    ];
    tensor.dispose();
    report({ before, results, after: [other.toArray(), torch.add(other, other).toArray()] });
  `);
  expect(found).toEqual({
    before: 2 ** 21,
    results: Array(5).fill(changed(path)),
    after: [
      [1, 1, 1],
      [2, 2, 2],
    ],
  });
});

it.each([
  ["grows", "appendFileSync(path, ones)"],
  ["gets other bytes", "writeFileSync(path, new Uint8Array(ones.length))"],
  ["loses the end of a page", "truncateSync(path, ones.length - 4)"],
])("a file that %s is an error too", (_, change) => {
  const path = freshPath("weights");
  const found = inChild(`
    const path = ${JSON.stringify(path)};
    const tensor = mapped(path);
    ${change};
    report(thrown(() => torch.sum(tensor).item()));
  `);
  expect(found).toEqual(changed(path));
});

it("what was computed before a tensor is gone is an error once; what comes after it is none", () => {
  const path = freshPath("weights");
  const found = inChild(`
    const path = ${JSON.stringify(path)};
    const first = mapped(path);
    truncateSync(path, 0);
    const sum = torch.sum(first);
    first.dispose();
    const results = [thrown(() => sum.item()), thrown(() => torch.ones([1]).item())];
    const second = mapped(path);
    second.dispose();
    truncateSync(path, 0);
    report([...results, thrown(() => torch.ones([1]).item())]);
  `);
  expect(found).toEqual([changed(path), 1, 1]);
});

it("a file that is replaced, renamed or removed keeps its bytes", () => {
  const found = inChild(`
    const path = ${JSON.stringify(freshPath("weights"))};
    const tensor = mapped(path);
    writeFileSync(path + ".new", "other");
    renameSync(path, path + ".old");
    renameSync(path + ".new", path);
    rmSync(path + ".old");
    report(torch.sum(tensor).item());
  `);
  expect(found).toBe(2 ** 21);
});

it("only the files of the own thread count, and of several the one that changed", () => {
  const [path, kept] = [freshPath("weights"), freshPath("kept")];
  const found = inChild(`
    const [path, kept] = ${JSON.stringify([path, kept])};
    const both = [mapped(path), mapped(kept)];
    truncateSync(path, 0);
    const worker = new Worker(\`
      import { parentPort } from "node:worker_threads";
      import(\${JSON.stringify(torchPath)}).then((torch) => parentPort.postMessage(torch.ones([2]).toArray()));
    \`, { eval: true });
    const elsewhere = await new Promise((resolve, reject) => worker.once("message", resolve).once("error", reject));
    report([elsewhere, thrown(() => torch.sum(both[1]).item())]);
  `);
  expect(found).toEqual([[1, 1], changed(path)]);
});

it("an error of the memory bus elsewhere ends the process, as before", () => {
  expect(() =>
    inChild(`mapped(${JSON.stringify(freshPath("weights"))}); process.kill(process.pid, "SIGBUS");`),
  ).toThrow("The child ended with SIGBUS");
});
