import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { freshPath } from "../support/workFolder.js";

const { checkRooms } = (await import(new URL("../../scripts/check-layers.js", import.meta.url).href)) as {
  checkRooms: (root: string) => { readonly rooms: readonly string[]; readonly broken: readonly string[] };
};

/** What the check says of a source tree. */
function check(files: Readonly<Record<string, string>>) {
  const root = freshPath("rooms");
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), text);
  }
  return checkRooms(root);
}

test("src keeps the rule", () => {
  expect(checkRooms(fileURLToPath(new URL("../../src/", import.meta.url))).broken).toEqual([]);
});

test("imports downward by an index, and of files in the same room, are allowed; the surfaces are printed", () => {
  const { rooms, broken } = check({
    "models/nn/a.ts": 'import {\n  type X,\n  x,\n} from "../../torch/index.js";\nimport "./c.js";\n',
    "models/nn/c.ts": "export {};\n",
    "torch/index.ts": 'export { x, type X } from "./tensor.js";\n',
    "torch/tensor.ts": "export const x = 1;\nexport type X = 1;\n",
    "app/cli/a.ts": 'const { f } = await import("../commands/b.js");\n',
    "app/commands/b.ts": 'const { go } = await import("../../training/run/index.js");\nexport const f = go;\n',
    "training/run/index.ts": 'export { go } from "./go.js";\n',
    "training/run/go.ts": "export const go = 1;\n",
    "index.ts": 'export * as torch from "./torch/index.js";\n',
  });
  expect(broken).toEqual([]);
  expect(rooms.filter((line) => /^ *(torch|training)/.test(line))).toEqual([
    "torch: 2 files, 2 names for other rooms",
    "  torch/index.ts (2): X x",
    "training: 2 files, 1 names for other rooms",
    "  training/run/index.ts (1): go",
  ]);
});

test.each([
  ["torch/a.ts", 'import { x } from "../models/nn/index.js";', "torch may not import models"],
  ["use/server/a.ts", 'import type { x } from "../../training/index.js";', "use may not import training"],
  ["tasks/a.ts", 'const x = await import("../studies/report/index.js");', "tasks may not import studies"],
  ["models/nn/a.ts", 'import { x } from "../../torch/tensor.js";', "torch/tensor.ts is not an index.ts"],
  ["index.ts", 'export { x } from "./torch/tensor.js";', "torch/tensor.ts is not an index.ts"],
  [
    "models/loading/a.ts",
    'import type { x } from "../adapters/b.js";',
    "models/loading may not import models/adapters",
  ],
  ["models/adapters/a.ts", 'export { x } from "../heads.js";', "models/adapters may not import models"],
  ["training/loop/a.ts", 'let x: import("../run/b.js").X;', "training/loop may not import training/run"],
  [
    "studies/report/a.ts",
    'import { x } from "../comparison/b.js";',
    "studies/report may not import studies/comparison",
  ],
  ["app/commands/a.ts", 'import { x } from "../cli/main.js";', "app/commands may not import app/cli"],
  ["base/a.ts", 'import { x } from "../../package.js";', "leaves src"],
])("%s: %s", (file, line, why) => {
  expect(check({ [file]: `\n${line}\n` }).broken).toEqual([expect.stringContaining(`src/${file}:2: ${why}: `)]);
});

test("a name on a surface that no other room uses is refused", () => {
  const { broken } = check({
    "torch/index.ts": 'export { x, y } from "./tensor.js";\n',
    "torch/tensor.ts": "export const x = 1;\nexport const y = 1;\n",
    "torch/a.ts": 'import { y } from "./index.js";\n',
    "text/a.ts": 'import { x } from "../torch/index.js";\n',
  });
  expect(broken).toEqual(["src/torch/index.ts: no other room uses y"]);
});

test("a file outside all rooms is refused, even without imports", () => {
  expect(check({ "stray/a.ts": "export {};\n" }).broken).toEqual([
    expect.stringContaining("src/stray/a.ts: stray is no room"),
  ]);
  expect(check({ "stray.ts": "export {};\n" }).broken).toEqual([
    expect.stringContaining("src/stray.ts: stray.ts is no room"),
  ]);
});

test.each([
  ["values", 'import { a } from "./a.js";'],
  ["types", 'import type { A } from "./a.js";'],
  ["re-exports", 'export { a } from "./a.js";'],
])("a cycle of files is found: %s", (_, line) => {
  const files = {
    "text/a.ts": 'import { b } from "./b.js";',
    "text/b.ts": 'import { c } from "./c.js";',
    "text/c.ts": line,
  };
  expect(check(files).broken).toEqual(["Import cycle: text/a.ts -> text/b.ts -> text/c.ts -> text/a.ts"]);
});
