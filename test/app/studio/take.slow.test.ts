// Exports of trained runs by the commands, and a running server that programs ask.
import { execFile } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { beforeAll, expect, test } from "vitest";
import { load } from "../../../src/app/commands/models/load.js";
import { finishedRun } from "../../../src/app/studio/answers/finishedRuns.js";
import { Serving } from "../../../src/app/studio/exports/serving.js";
import { snippetsFor } from "../../../src/app/studio/exports/snippets.js";
import { StudioFolder } from "../../../src/app/studio/folder.js";
import { REPOSITORY } from "../../support/golden.js";
import { freshPath } from "../../support/workFolder.js";
import { type Client, openStudio, until } from "./support.js";
import { trainedRuns } from "./trainedRuns.js";

const folder = freshPath("studio");
let studio: Client;
beforeAll(async () => {
  await trainedRuns(folder, "pairs", "prompted", "rank", "text", "tiny");
  studio = await openStudio(folder);
});

/** Makes an export by its form, and waits for it. @returns the page */
async function made(run: string, key: string, fields: Readonly<Record<string, string>> = {}): Promise<string> {
  const answer = await studio.post("/take/make", { run, make: key, ...fields }, `/take?run=${run}`);
  expect(answer.status).toBe(303);
  return until(studio, `/take?run=${run}`, new RegExp(`id="work-export-${run}-${key}" class="work (done|failed)`), 120);
}

const filesOf = (name: string): string[] =>
  readdirSync(join(folder, "exports", name), { recursive: true, encoding: "utf8" }).sort();

test("a classifier becomes a merged model, a plain LoRA, and graphs with their errors", async () => {
  const rows = [{ sentence1: "cold rain fell", sentence2: "cold rain" }];
  const logits = async (settings: object) => {
    using model = await load({ dtype: "float32", ...settings });
    return (await model.predict(rows))[0]!.logits as number[];
  };
  const exact = await logits({ adapter: join(folder, "runs", "pairs") });
  expect(await made("pairs", "merged")).toContain("It is in exports/pairs-merged.");
  const merged = await logits({ model: join(folder, "exports", "pairs-merged") });
  for (const [i, logit] of merged.entries()) expect(logit).toBeCloseTo(exact[i]!, 4);
  // A LoRA of the highest rank holds all of DoRA's change.
  const lora = await made("pairs", "peft-lora", { "rank-peft-lora": "24" });
  expect(lora).toContain("Error of the weights’ change");
  expect(lora).toContain("--to peft-lora --rank 24");
  const near = await logits({ adapter: join(folder, "exports", "pairs-lora") });
  for (const [i, logit] of near.entries()) expect(logit).toBeCloseTo(exact[i]!, 1);
  const page = await made("pairs", "onnx", { dtype: "fp32", measure: "on" });
  expect(filesOf("pairs-onnx")).toContain(join("onnx", "model.onnx"));
  expect(page).toMatch(
    /<th scope="row">fp32<\/th><td>0 MiB<\/td><td>0.00<\/td>|<th scope="row">fp32<\/th><td>\d+ KiB<\/td><td>0.00<\/td>/,
  );
  expect(page).toContain("The page takes one text, and this model takes pairs.");
  expect(page).toMatch(/id="refusal-gguf">The model can&#39;t be written as GGUF: it is for sequence-classification/);
  expect(page).toMatch(/id="refusal-serve">The model is for sequence-classification/);
});

test("a language model becomes GGUF files with Modelfiles; a second export has a name of its own", async () => {
  await made("tiny", "gguf", { outtype: "f32" });
  expect(filesOf("tiny-gguf")).toEqual(["tiny.Modelfile", "tiny.gguf"]);
  await made("tiny", "gguf", { outtype: "q8_0" });
  expect(filesOf("tiny-gguf-2")).toEqual(["tiny.Modelfile", "tiny.gguf"]);
  await made("tiny", "gguf-lora", { "lora-outtype": "f32" });
  expect(filesOf("tiny-gguf-lora")).toEqual(["tiny-lora.Modelfile", "tiny-lora.gguf"]);
});

test("an export that fails shows the command's sentence and leaves nothing in the list", async () => {
  // Only its tokenizer shows that llama.cpp can't have it.
  const page = await made("text", "gguf", { outtype: "f32" });
  expect(page).toMatch(/Failed: The model can&#39;t be written as GGUF: its tokenizer|Failed: .*tokenizer/);
  expect(existsSync(join(folder, "exports", "text-gguf"))).toBe(false);
  expect(page).not.toContain('id="export-text-gguf"');
});

test("a running server answers the programs that the page shows", async () => {
  const at = new StudioFolder(folder);
  const serving = new Serving(folder, () => {});
  const programs = freshPath("programs");
  mkdirSync(programs);
  symlinkSync(join(REPOSITORY, "node_modules"), join(programs, "node_modules"));
  const answers = { text: "openai for Node", prompted: "openai for Node, AI SDK", rank: "Node" };
  for (const [name, titles] of Object.entries(answers)) {
    const run = finishedRun(at, name)!;
    serving.start(run);
    expect(() => serving.start(run)).toThrow(`A server for ${name} is running`);
    await expect.poll(() => serving.state?.state, { timeout: 60_000 }).toBe("running");
    const { url } = serving.state!;
    const served = snippetsFor({ url: url!, model: name, task: run.task, isChat: false });
    for (const { text } of served.filter(({ title }) => titles.split(", ").includes(title))) {
      writeFileSync(join(programs, "ask.mjs"), text);
      const { stdout } = await promisify(execFile)(process.execPath, ["ask.mjs"], { cwd: programs });
      if (name === "prompted") expect(stdout).toMatch(/^2 \d+\n$/);
      else expect(stdout.trim()).not.toBe("");
    }
    const curl = served[0]!.text.replace("curl ", "curl -s --fail ");
    expect(JSON.parse((await promisify(execFile)("sh", ["-c", curl])).stdout).model).toBe(name);
    await serving.close();
    expect(serving.state).toBeUndefined();
    await expect(fetch(`${url}/health`)).rejects.toThrow();
  }
});

test("a server that can't start says why", async () => {
  const serving = new Serving(folder, () => {});
  serving.start(finishedRun(new StudioFolder(folder), "pairs")!);
  await expect.poll(() => serving.state?.state, { timeout: 60_000 }).toBe("ended");
  expect(serving.state?.problem).toContain("serve is for causal-lm, embedding, reranking");
  await serving.close();
});
