// A model's file that another program changes while a command uses it.
import { existsSync, readFileSync, renameSync, truncateSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { expect, test } from "vitest";
import { withLargeTables } from "../../models/largeTables.js";
import { LLAMA, until } from "../../server/openServer.js";
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
  const [, checkpoint] = /An earlier state was saved: --resume continues from (\S+)\.\n$/.exec(printed.stderr) ?? [];
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

test("generate writes no texts of a model that is cut off", async () => {
  const [model, output] = [withLargeTables(LLAMA), fresh("texts.jsonl")];
  const prompts = write("prompts.jsonl", Array.from({ length: 400 }, (_, i) => `{"prompt": "text ${i}"}\n`).join(""));
  const options = ["--input", prompts, "--max-new-tokens", "60", "--dtype", "float32", "--batch-size", "1"];
  const { child, ended, printed } = started("generate", "--model", model, ...options, "--output", output);
  const maps = () => readFileSync(`/proc/${child.pid}/maps`, "utf8");
  await until(() => maps().includes(join(model, WEIGHTS)), 60_000);
  truncateSync(join(model, WEIGHTS), 0);
  expect(await ended).toBe(1);
  expect(printed.stderr).toContain(`bidora: ${sentence(model)}\n`);
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
