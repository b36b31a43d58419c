// A model's file that another program changes while a command uses it.
import { existsSync, readdirSync, readFileSync, readlinkSync, renameSync, truncateSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { expect, test } from "vitest";
import { exportModel } from "../../../src/app/commands/models/export.js";
import { withLargeTables } from "../../models/largeTables.js";
import { tinyModel } from "../../use/export/gguf/tinyModels.js";
import { LLAMA, until } from "../../use/server/openServer.js";
import { BERT, eventsIn, fresh, list, ROWS, start, write } from "../support.js";

const WEIGHTS = "model.safetensors";
/** Starts a command, and collects what it prints. */
function started(...argv: readonly string[]) {
  const { child, ended } = start(...argv);
  const printed = { stdout: "", stderr: "" };
  child.stdout?.on("data", (data) => {
    printed.stdout += data;
  });
  child.stderr?.on("data", (data) => {
    printed.stderr += data;
  });
  return { child, ended, printed };
}

const sentence = (folder: string): string =>
  `${join(folder, WEIGHTS)} was changed while it was in use, so that results may be wrong: run the command again, and replace such a file by moving another over it (mv), not by writing to it.`;

/** Whether a process has a file mapped, and is not reading it any more. */
function hasLoaded(pid: number, path: string): boolean {
  const folder = `/proc/${pid}/fd`;
  const targetOf = (name: string): string | undefined => {
    try {
      return readlinkSync(join(folder, name));
    } catch {
      return undefined; // closed meanwhile
    }
  };
  const isMapped = readFileSync(`/proc/${pid}/maps`, "utf8").includes(path);
  return isMapped && readdirSync(folder).filter((name) => targetOf(name) === path).length === 1;
}

/** A GGUF file of blocks that are mapped. */
async function ggufModel(): Promise<string> {
  const output = fresh("model.gguf");
  const sizes = { hidden_size: 256, intermediate_size: 512 };
  const config = { model_type: "llama", architectures: ["LlamaForCausalLM"], ...sizes };
  const model = tinyModel(join(fresh("models"), "tiny"), "smollm", config);
  await exportModel({ model, to: "gguf", outtype: "q8_0", output });
  return output;
}

/** Starts a training run that goes on for long, and waits for its fifth step. */
async function training(model: string, output: string, ...more: readonly string[]) {
  const run = started(
    ...["finetune", "--model", model, "--task", "sequence-classification", "--train", join(ROWS, "train.jsonl")],
    ...["--dtype", "float32", "--method", "lora", "--max-steps", "100000", "--output", output, "--quiet", ...more],
  );
  await until(() => existsSync(join(output, "events.jsonl")) && eventsIn(output).length > 5, 60_000);
  return run;
}

test.each([
  ["cut off", (path: string) => truncateSync(path, 0)],
  ["overwritten in place", (path: string) => writeFileSync(path, readFileSync(path).fill(0, 8192))],
])("a training run whose model is %s ends with one sentence, and writes nothing more", async (_, change) => {
  const [model, output] = [withLargeTables(join(BERT, "single")), fresh("run")];
  const { ended, printed } = await training(model, output);
  change(join(model, WEIGHTS));
  expect(await ended).toBe(1);
  expect(printed.stderr.replace(/Step \d+/, "Step N")).toBe(
    `bidora: Step N: ${sentence(model)} Its state could not be saved.\n`,
  );
  expect(list(output).filter((name) => /checkpoint|adapter|metrics|tmp|room/.test(name))).toEqual([]);
  expect(eventsIn(output).at(-1)).toMatchObject({ event: "error", code: "FILE_CHANGED" });
});

test("its checkpoints stay, and it goes on from the last one once the file is as it was", async () => {
  const [model, output] = [withLargeTables(join(BERT, "single")), fresh("run")];
  const path = join(model, WEIGHTS);
  const bytes = readFileSync(path);
  const { ended, printed } = await training(model, output, "--save-every", "2", "--keep-checkpoints", "1");
  truncateSync(path, 4096);
  expect(await ended).toBe(1);
  const [, checkpoint] = / was saved: --resume continues from (\S+)\.\n$/.exec(printed.stderr) ?? [];
  expect(list(output).filter((name) => name.startsWith("checkpoint"))).toEqual([basename(checkpoint as string)]);
  writeFileSync(path, bytes);
  const resumed = started("finetune", join(output, "run.yaml"), "--output", output, "--resume", "--quiet");
  const from = eventsIn(output).length;
  await until(() => eventsIn(output).length > from + 5, 60_000);
  resumed.child.kill("SIGINT");
  expect(await resumed.ended).toBe(130);
});

test("a training run goes on with a model that is replaced by another file", async () => {
  const [model, output] = [withLargeTables(join(BERT, "single")), fresh("run")];
  const { child, ended } = await training(model, output);
  writeFileSync(join(model, "new"), "another model");
  renameSync(join(model, "new"), join(model, WEIGHTS));
  const steps = eventsIn(output).length;
  await until(() => eventsIn(output).length > steps + 20, 60_000);
  child.kill("SIGINT");
  expect(await ended).toBe(130);
});

test.each([
  ["safetensors", async () => withLargeTables(LLAMA)],
  ["GGUF", ggufModel],
])("generate writes no texts of a model in a %s file that is cut off", async (_, modelOf) => {
  const [model, output] = [await modelOf(), fresh("texts.jsonl")];
  const weights = model.endsWith(".gguf") ? model : join(model, WEIGHTS);
  const prompts = write("prompts.jsonl", Array.from({ length: 400 }, (_, i) => `{"prompt": "text ${i}"}\n`).join(""));
  const options = ["--input", prompts, "--max-new-tokens", "40", "--dtype", "float32", "--batch-size", "1"];
  const { child, ended, printed } = started("generate", "--model", model, ...options, "--output", output);
  await until(() => hasLoaded(child.pid as number, weights), 60_000);
  truncateSync(weights, 0);
  expect(await ended).toBe(1);
  expect(printed.stderr).toMatch(/^bidora: \S+ was changed while it was in use, .*\n$/);
  expect(existsSync(output)).toBe(false);
});

test("a server whose model is cut off says so, and answers with status 500", async () => {
  const model = withLargeTables(LLAMA);
  const { child, ended, printed } = started("serve", "--model", model, "--dtype", "float32", "--port", "0");
  await until(() => printed.stderr.includes("Listening"), 60_000);
  const url = /^Listening on (\S+)$/m.exec(printed.stderr)?.[1] as string;
  const { id } = ((await (await fetch(`${url}/v1/models`)).json()) as { data: [{ id: string }] }).data[0];
  const complete = () =>
    fetch(`${url}/v1/completions`, { method: "POST", body: JSON.stringify({ model: id, prompt: [5] }) });
  expect((await complete()).status).toBe(200);
  truncateSync(join(model, WEIGHTS), 0);
  for (let i = 0; i < 2; i++) {
    const response = await complete();
    expect([response.status, await response.json()]).toMatchObject([500, { error: { message: sentence(model) } }]);
  }
  expect(printed.stderr).toContain(sentence(model));
  child.kill("SIGTERM");
  expect(await ended).toBe(0);
});
