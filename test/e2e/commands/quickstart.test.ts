import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { quickstart, quickstartCommand } from "../../../src/app/commands/quickstart.js";
import { TOPICS } from "../../../src/app/quickstart/topics.js";
import { COMPARISON, readComparisonFile } from "../../../src/base/records/comparisonFile.js";
import { clearComparison, comparedRunFolder, readPlan } from "../../../src/base/records/comparisonFolder.js";
import { tinyModel } from "../../use/export/gguf/tinyModels.js";
import { BERT, BIN, bidora, fresh, list } from "../support.js";

/** A folder in which a tiny model has the name of the quickstart's, so that nothing is fetched. */
function place(): string {
  const folder = fresh("quickstart");
  mkdirSync(folder);
  cpSync(join(BERT, "single"), join(folder, "sentence-transformers/all-MiniLM-L6-v2"), { recursive: true });
  // npx without its search for the package
  writeFileSync(join(folder, "npx"), `#!/bin/sh\nshift 3\nexec ${process.execPath} ${BIN} "$@"\n`, { mode: 0o755 });
  return folder;
}

async function inFolder<T>(folder: string, body: () => Promise<T>): Promise<T> {
  const before = process.cwd();
  process.chdir(folder);
  try {
    return await body();
  } finally {
    process.chdir(before);
  }
}

test("quickstart trains the model with each method and leaves a comparison", async () => {
  const folder = place();
  const { status, stdout, stderr } = await inFolder(folder, () =>
    bidora("quickstart", "--output", "out", "--threads", "1"),
  );
  expect(stderr).toMatch(/lora: fine-tuning .*400 text messages/);
  expect(stderr).not.toMatch(/bidora:/);
  expect(status).toBe(0);
  expect(stdout).toMatch(
    /^method +accuracy +f1 +trained +seconds +peak MiB\nmajority +0\.8780 +0\nwords +0\.9670 +0\.8533\nlora /m,
  );
  expect(stdout).toContain("\nmajority: the same answer for every row\nwords: a linear model on words (");
  const pasted = stdout.split("\n").filter((line) => line.includes("npx --no -- bidora "));
  expect(pasted).toEqual([expect.stringContaining(" predict "), expect.stringContaining(" finetune ")]);
  const env = { ...process.env, PATH: `${folder}:${process.env.PATH}`, OMP_NUM_THREADS: "1" };
  const [predicted, trained] = pasted.map((line) =>
    spawnSync("sh", ["-c", line], { cwd: folder, env, encoding: "utf8" }),
  );
  expect(JSON.parse(predicted!.stdout.trim().split("\n").at(-1)!)).toMatchObject({
    label: expect.stringMatching(/^(ham|spam)$/),
  });
  expect(trained).toMatchObject({ status: 0, stdout: expect.stringMatching(/holdout_accuracy/) });
  expect(list(join(folder, "runs/mine"))).toContain("adapter_model.safetensors");
  const output = join(folder, "out");
  expect(list(output)).toEqual([
    "comparison-plan.json",
    "comparison.json",
    "comparison.md",
    "comparison.tex",
    "report.html",
    "sequence-classification",
  ]);
  const { runs } = readComparisonFile(output);
  expect(runs.map(({ task, method, seed }) => ({ task, method, seed }))).toEqual([
    { task: "sequence-classification", method: "dora", seed: 0 },
    { task: "sequence-classification", method: "lora", seed: 0 },
  ]);
  // The first version left its runs in folders named after their methods.
  cpSync(comparedRunFolder(output, runs[0]!), join(output, "dora"), { recursive: true });
  writeFileSync(join(output, "comparison.json"), JSON.stringify([{ method: "dora" }]));
  writeFileSync(join(output, "notes.txt"), "mine");
  clearComparison(output);
  expect(list(output)).toEqual(["comparison-plan.json", "notes.txt"]);
  expect(readPlan(output)).toEqual({});
});

test("quickstart bidora has BiDoRA beside the others, in a folder of its own", () => {
  expect(TOPICS.bidora).toMatchObject({ methods: ["lora", "dora", "bidora"], output: "runs/quickstart-bidora" });
  expect(TOPICS.bidora.run).toBe(TOPICS.messages.run);
});

test("quickstart chat has the model before its training, and a command to talk to it", async () => {
  const config = { model_type: "llama", architectures: ["LlamaForCausalLM"], max_position_embeddings: 512 };
  const folder = place();
  const model = tinyModel(join(folder, "HuggingFaceTB/SmolLM2-135M-Instruct"), "smollm", config);
  writeFileSync(
    join(model, "chat_template.jinja"),
    "{% for m in messages %}{{ m.content }}{{ eos_token }}{% endfor %}",
  );
  const hub = { offline: true, environment: { XDG_CACHE_HOME: fresh("cache") } };
  const result = await inFolder(folder, () => quickstart({ topic: "chat", methods: ["lora"], threads: 1 }, { hub }));
  expect(Object.keys(result!.baselines)).toEqual(["start"]);
  expect(result!.baselines.start!.loss).toBeGreaterThan(result!.runs[0]!.metrics.loss!);
  const { text } = quickstartCommand.show(result, false) as { text: string };
  expect(text).toMatch(/^start +\d[\d.]+ +0\.\d+ +\d[\d.]+\nlora /m);
  expect(text).toContain("npx --no -- bidora generate --adapter runs/quickstart-chat/causal-lm/lora/seed-0 --chat\n");
});

test("--overwrite keeps the earlier results if the model can't be downloaded", async () => {
  const output = fresh("kept");
  mkdirSync(output);
  writeFileSync(join(output, COMPARISON), "{}");
  const hub = { offline: true, environment: { HF_HOME: fresh("hub"), XDG_CACHE_HOME: fresh("cache") } };
  await expect(quickstart({ output, overwrite: true }, { hub })).rejects.toThrow("all-MiniLM-L6-v2");
  expect(list(output)).toEqual([COMPARISON]);
});
