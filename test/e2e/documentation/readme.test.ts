import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { COMMANDS } from "../../../src/app/cli/commands.js";
import { ARCHITECTURES } from "../../../src/models/architectures.js";
import { METHODS } from "../../../src/tasks/config/index.js";
import { namedDatasets } from "../../../src/tasks/datasets/index.js";
import { TASKS } from "../../../src/tasks/index.js";
import { OPTIMIZERS } from "../../../src/torch/optim/index.js";
import { fresh, list, SMALL } from "../support.js";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));

/** The first block of a language after a mark, which is a comment in the Markdown: `<!-- test: library -->`. */
function markedBlock(mark: string, language: string): string {
  const readme = readFileSync(join(ROOT, "README.md"), "utf8");
  const found = new RegExp(`<!-- test: ${mark} -->\\s*\`\`\`${language}\\n([\\s\\S]*?)\`\`\``).exec(readme);
  if (!found?.[1]) throw new Error(`README.md has no ${language} block marked <!-- test: ${mark} -->.`);
  return found[1];
}

test("the docs list every task, data set, method, optimizer, architecture and command", () => {
  const [tasks, models, datasets] = ["fine-tuning", "models", "datasets"].map((page) =>
    readFileSync(join(ROOT, "docs", `${page}.md`), "utf8"),
  ) as [string, string, string];
  for (const [kind, { rows }] of Object.entries(TASKS)) expect(tasks).toContain(`| \`${kind}\` | ${rows} |`);
  for (const set of Object.keys(namedDatasets)) expect(datasets).toContain(`\`${set}\``);
  for (const name of [METHODS, OPTIMIZERS].flatMap(Object.keys))
    expect(models).toMatch(new RegExp(`\`[^\`]*${name}\``));
  for (const type of Object.keys(ARCHITECTURES)) expect(models).toContain(`| \`${type}\` |`);
  for (const name of Object.keys(COMMANDS)) expect(models).toContain(`\`${name}\``);
});

test("rows beside llama.cpp say which build of it they are of", () => {
  const pages = ["docs/performance.md", "docs/performance/tables.md"].map((page) =>
    readFileSync(join(ROOT, page), "utf8"),
  );
  const rows = pages.flatMap((text) => text.match(/^\|.*llama\.cpp.*$/gm) ?? []);
  expect(rows.length).toBeGreaterThan(10);
  for (const row of rows)
    expect(row).toMatch(/\| llama\.cpp (v[\d.]+, (prebuilt|built on this machine)|built for the processor)/);
});

test("links between README and the docs point to existing files", () => {
  for (const page of [
    "README.md",
    "llms.txt",
    "skills/bidora/SKILL.md",
    ...readdirSync(join(ROOT, "docs"), { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(".md"))
      .map((name) => join("docs", name)),
  ]) {
    const text = readFileSync(join(ROOT, page), "utf8").replace(/^```[\s\S]*?^```/gm, "");
    for (const [, path] of text.matchAll(/\]\((?!https?:|#)([^)#]+)/g))
      expect(existsSync(join(ROOT, dirname(page), path as string)), `${page}: ${path}`).toBe(true);
  }
});

/** Puts `value` in the place of the string of a key. */
function withValue(code: string, key: string, value: string): string {
  const changed = code.replace(new RegExp(`\\b${key}: "[^"]*"`), `${key}: ${JSON.stringify(value)}`);
  if (changed === code) throw new Error(`The example has no ${key}.`);
  return changed;
}

test("the library example in the README runs on a small checkpoint", () => {
  const folder = fresh("example");
  mkdirSync(join(folder, "node_modules"), { recursive: true });
  symlinkSync(ROOT, join(folder, "node_modules", "bidora"));
  const code = withValue(markedBlock("library", "ts"), "model", SMALL.model);
  writeFileSync(join(folder, "example.mjs"), code);

  const env = { ...process.env, OMP_NUM_THREADS: "1" };
  const { status, stdout, stderr } = spawnSync(process.execPath, ["example.mjs"], {
    cwd: folder,
    encoding: "utf8",
    env,
  });
  expect([status, stderr]).toEqual([0, ""]);
  expect(stdout).toMatch(/\{\s+label: '(shipping|billing)',\s+score: 0\.\d+/);
  const output = /output: "([^"]*)"/.exec(code)?.[1] as string;
  expect(list(join(folder, output))).toEqual(expect.arrayContaining(["adapter_model.safetensors", "metrics.json"]));
});
