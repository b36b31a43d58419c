// The screens Model and Mask with bidora's own commands as processes.
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test, vi } from "vitest";
import { fakeHubs } from "../../formats/fakeHubs.js";
import { GOLDEN } from "../../support/golden.js";
import { freshPath } from "../../support/workFolder.js";
import { openStudio, until } from "./support.js";

const MODEL = join(GOLDEN, "bert/single");
const newHub = fakeHubs();

beforeAll(() => vi.stubEnv("XDG_CACHE_HOME", freshPath("cache")));

/** A studio whose commands reach a Hub with one model. */
async function studioWithHub() {
  const { hub, endpoint } = await newHub();
  for (const file of readdirSync(MODEL))
    hub.files[file] = { content: readFileSync(join(MODEL, file)), large: file === "model.safetensors" };
  const cache = freshPath("hub");
  vi.stubEnv("HF_ENDPOINT", endpoint);
  vi.stubEnv("HF_HUB_CACHE", cache);
  return { hub, cache, client: await openStudio() };
}

const modelIn = (folder: string): string | undefined => {
  const path = join(folder, "run.yaml");
  return existsSync(path) ? readFileSync(path, "utf8") : undefined;
};

test("a model is downloaded by its name, and is the next run's", async () => {
  const { client, cache, hub } = await studioWithHub();
  expect((await client.post("/model/download", { name: "org/model" })).status).toBe(303);
  await until(client, "/model", "org/model is the model of the next run now.");
  expect(modelIn(client.folder)).toBe("model: org/model\n");
  const requests = hub.requests.length;
  expect(existsSync(join(cache, "models--org--model"))).toBe(true);
  const page = await until(client, "/model", "BertForSequenceClassification");
  expect(page).toContain("in the Hub’s cache");
  expect(hub.requests).toHaveLength(requests);
  expect(page).toContain("npx bidora inspect org/model");
});

test("a download shows how far it is, is stopped, and leaves the run file as it is", async () => {
  const { client, hub } = await studioWithHub();
  const whole = readFileSync(join(MODEL, "model.safetensors"));
  hub.odd.set("/model.safetensors", (response) => {
    response.writeHead(200, { "content-length": whole.length });
    response.write(whole.subarray(0, whole.length / 2));
  });
  await client.post("/model/download", { name: "org/model" });
  await until(client, "/model", /<progress id="work-download-bar"[^>]* value="0\.\d+"/);
  expect(await (await client.post("/model/download", { name: "org/model" })).text()).toContain("going on already");
  await client.post("/works/stop", { name: "download" }, "/model");
  await until(client, "/model", "Stopped.");
  expect(modelIn(client.folder)).toBeUndefined();
});

test("a model that the Hub does not have is told in its own sentence", async () => {
  const { client } = await studioWithHub();
  await client.post("/model/download", { name: "org/other" });
  const page = await until(client, "/model", "Failed:");
  expect(page).toContain("org/other");
  expect(modelIn(client.folder)).toBeUndefined();
});

/** A studio with rows and a model in its folder. */
async function studioWithRun(...lines: string[]) {
  const folder = freshPath("studio");
  mkdirSync(join(folder, "rows"), { recursive: true });
  const rows = Array.from({ length: 24 }, (_, i) => ({
    text: `cold rain fell ${"on the boat ".repeat(i % 5)}`,
    label: i % 2 === 0 ? "bad" : "good",
  }));
  writeFileSync(join(folder, "rows/train.jsonl"), rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
  cpSync(MODEL, join(folder, "models/tiny"), { recursive: true });
  const settings = ["model: models/tiny", "task: sequence-classification", "train: rows/train.jsonl", ...lines];
  writeFileSync(join(folder, "run.yaml"), `${settings.join("\n")}\n`);
  return openStudio(folder);
}

test("the estimate is shown, and made again when a setting changes", async () => {
  const client = await studioWithRun("method: lora", "batchSize: 4", "epochs: 1", "maxLength: 16");
  const page = await until(client, "/model", "It fits.");
  expect(page).toMatch(/Memory: [\d,.]+ [MG]iB at the peak of [\d,.]+ [MG]iB that are free/);
  expect(page).toContain("<dt>Steps</dt><dd>6</dd>");
  expect(page).toContain("The task sequence-classification fits this model.");
  writeFileSync(join(client.folder, "run.yaml"), `${modelIn(client.folder)!.replace("epochs: 1", "epochs: 2")}`);
  expect(await client.page("/model")).not.toContain("It fits.");
  await until(client, "/model", "<dt>Steps</dt><dd>12</dd>");
});

test("what estimate refuses is its sentence, with a button to try again", async () => {
  const client = await studioWithRun("evalEvery: 5");
  const page = await until(client, "/model", "Try again");
  expect(page).toContain("--eval-every needs rows to evaluate on");
});

test("a task that does not fit the model is named", async () => {
  const client = await studioWithRun();
  writeFileSync(join(client.folder, "run.yaml"), "model: models/tiny\ntask: causal-lm\ntrain: rows/train.jsonl\n");
  await until(
    client,
    "/model",
    "The task causal-lm does not fit this model, which can be trained for sequence-classification,",
  );
});

test("rows are shown as the model sees them, with what is cut off", async () => {
  const client = await studioWithRun("maxLength: 12");
  const page = await until(client, "/mask", '<h2 id="rows-title">');
  expect(page.match(/class="row-shown"/g)).toHaveLength(5);
  expect(page).toContain("[CLS]");
  expect(page).toContain("target: bad");
  expect(page).toMatch(/\d+ of 24 rows \(\d+ %\) are cut off at the maximum length of 12 tokens, and lose \d+ tokens/);
  expect(page).toMatch(/\d+ tokens? cut off</);
  expect(page).toContain("npx bidora preview run.yaml --limit 5");
  const more = await until(client, "/mask?rows=20", /row-19/);
  expect(more.match(/class="row-shown"/g)).toHaveLength(20);
});
