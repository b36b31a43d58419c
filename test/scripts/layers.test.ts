import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const script = fileURLToPath(new URL("../../scripts/check-layers.js", import.meta.url));

/** What the check says of a source tree. */
function check(files: Readonly<Record<string, string>>): { readonly status: number | null; readonly stderr: string } {
  const root = mkdtempSync(join(tmpdir(), "bidora-layers-"));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), text);
  }
  return spawnSync(process.execPath, [script, root], { encoding: "utf8" });
}

test("src follows the layer rule", () => {
  expect(spawnSync(process.execPath, [script], { encoding: "utf8" })).toMatchObject({ status: 0, stderr: "" });
});

test("imports downward, within a folder and from common are allowed", () => {
  const { status, stderr } = check({
    "nn/a.ts": 'import {\n  x,\n} from "../torch/b.js";\nimport "./c.js";\nimport { E } from "../common/errors.js";\n',
    "report/a.ts":
      'import type { RunEvent } from "../files/events.js";\nimport { own } from "../common/collections.js";\n',
    "cli/a.ts": 'const { f } = await import("../run/finetune.js");\n',
    "index.ts": 'export * from "./config/index.js";\n',
  });
  expect([status, stderr]).toEqual([0, ""]);
});

test.each([
  ["torch/a.ts", 'import { x } from "../nn/b.js";', "torch may not import nn"],
  ["models/a.ts", 'import type { x } from "../adapters/b.js";', "models may not import adapters"],
  ["adapters/a.ts", 'export { x } from "../models/b.js";', "adapters may not import models"],
  ["train/a.ts", 'const x = await import("../run/finetune.js");', "train may not import run"],
  ["report/a.ts", 'import { x } from "../train/events.js";', "report may not import train/events.ts"],
  ["report/a.ts", 'import type { x } from "../train/loop.js";', "report may not import train/loop.ts"],
  ["run/finetune.ts", 'import { x } from "../cli/main.js";', "run may not import cli"],
  ["statistics/a.ts", 'import { x } from "../train/loop.js";', "statistics may not import train/loop.ts"],
  ["export/a.ts", 'import { x } from "../run/b.js";', "export may not import run"],
  ["io/a.ts", 'import { x } from "../nn/b.js";', "io may not import nn"],
  ["operators/a.ts", 'import { x } from "../text/b.js";', "operators may not import text"],
  ["settings/a.ts", 'import { x } from "../torch/b.js";', "settings may not import torch"],
])("%s: %s", (file, line, why) => {
  const { status, stderr } = check({ [file]: `\n${line}\n` });
  expect(status).toBe(1);
  expect(stderr.replaceAll(/ \(layer \d+\)/g, "")).toContain(`src/${file}:2: ${why}`);
});

test("a file outside all layers is refused, even without imports", () => {
  expect(check({ "stray/a.ts": "export {};\n" }).stderr).toContain("src/stray/a.ts: stray has no layer yet");
  expect(check({ "stray.ts": "export {};\n" }).stderr).toContain("src/stray.ts: stray.ts has no layer yet");
});

test.each([
  ["values", 'import { a } from "./a.js";'],
  ["types", 'import type { A } from "./a.js";'],
  ["re-exports", 'export { a } from "./a.js";'],
])("a cycle of files is found: %s", (_, line) => {
  const files = { "nn/a.ts": 'import { b } from "./b.js";', "nn/b.ts": 'import { c } from "./c.js";', "nn/c.ts": line };
  const { status, stderr } = check(files);
  expect([status, stderr]).toEqual([1, "Import cycle: nn/a.ts -> nn/b.ts -> nn/c.ts -> nn/a.ts\n"]);
});
