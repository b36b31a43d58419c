// The screen Train with runs that train: pausing, going on, a studio that is killed.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { isFinished, writerOf } from "../../../src/base/records/index.js";
import { BERT, bytes, fresh, ROWS, start } from "../../e2e/support.js";
import { openStudio, until } from "./support.js";

const STEPS = 60;
const SETTINGS = `model: ${join(BERT, "dropout")}
train: ${join(ROWS, "train.jsonl")}
validation: ${join(ROWS, "pairs.jsonl")}
task: sequence-classification
method: bidora
maxSteps: ${STEPS}
retrainSteps: ${STEPS}
batchSize: 4
evalEvery: 20
threads: 1
`;

function folderWith(settings = SETTINGS): string {
  const folder = fresh("studio");
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "run.yaml"), settings);
  return folder;
}

/** What the page says of the run that it shows. */
const stateOf = (name: string, state: string): RegExp =>
  new RegExp(`<h2 id="run-title">${name}</h2><p role="status"><strong>${state}</strong>`);

const runOf = (page: string): string =>
  page.slice(page.indexOf('<section id="run"'), page.indexOf("</section>", page.indexOf('<section id="run"')));

test("a run that is paused, and goes on in another studio, ends with the bytes of one that was not", {
  timeout: 300_000,
}, async () => {
  const folder = folderWith();
  const client = await openStudio(folder);
  await client.post("/train/start", { name: "one" });
  await client.post("/train/start", { name: "two" });
  await until(client, "/train", /<dt>Step<\/dt><dd>[1-9]/);
  await client.post("/train/save", { name: "one" });
  const saved = await until(client, "/train", "Last checkpoint");
  expect(saved).toContain("Tokens a second");
  await client.post("/train/pause", { name: "one" });
  await client.post("/train/pause", { name: "one" });
  const paused = await until(client, "/train", "Paused");
  expect(paused).toMatch(new RegExp(`after step \\d+ of ${2 * STEPS}`));
  await until(client, "/train", "Training loss");
  expect(paused).toContain("finetune --output runs/one --resume");
  await client.close();

  const again = await openStudio(folder);
  expect(await again.page("/train")).toContain("Nothing runs now");
  expect(writerOf(join(folder, "runs", "one"))).toBeUndefined();
  await again.post("/train/go");
  const done = await until(again, "/train?run=one", stateOf("one", "Done"), 120);
  expect(done).toContain("Always the same answer");
  expect(existsSync(join(folder, "queue", "one.yaml"))).toBe(false);
  await until(again, "/train", /<dt>Step<\/dt><dd>[1-9]/);
  await again.post("/train/stop", { name: "two" });
  await until(again, "/train?run=two", stateOf("two", "Stopped"));
  await again.post("/train/resume", { name: "two" });
  await until(again, "/train?run=two", stateOf("two", "Done"), 120);

  const direct = fresh();
  expect(await start("finetune", join(folder, "run.yaml"), "--output", direct).ended).toBe(0);
  for (const name of ["one", "two"]) expect(bytes(join(folder, "runs", name))).toBe(bytes(direct));
  expect(await (await again.get("/train/report/one")).text()).toContain("one – training report");
  await again.post("/train/remove", { name: "two" });
  expect(existsSync(join(folder, "runs", "two"))).toBe(false);
});

test("the run of a studio that was killed is the first of the queue, with its state", {
  timeout: 120_000,
}, async () => {
  const folder = folderWith(SETTINGS.replace(`maxSteps: ${STEPS}`, "maxSteps: 2000"));
  const { child, ended } = start("studio", folder, "--port", "0");
  let said = "";
  child.stderr?.on("data", (text: string) => {
    said += text;
  });
  await expect.poll(() => said, { timeout: 30_000 }).toContain("token=");
  const url = /http:\S+/.exec(said)![0];
  const { origin } = new URL(url);
  const cookie = (await fetch(url, { redirect: "manual" })).headers.get("set-cookie")!.split(";")[0]!;
  const body = new URLSearchParams({ name: "one" });
  await fetch(`${origin}/train/start`, { method: "POST", body, headers: { cookie, origin }, redirect: "manual" });
  const log = join(folder, "runs", "one", "events.jsonl");
  await expect.poll(() => existsSync(log) && readFileSync(log, "utf8"), { timeout: 60_000 }).toContain('"step":5,');
  child.kill("SIGKILL");
  await ended;
  await expect.poll(() => writerOf(join(folder, "runs", "one")), { timeout: 30_000 }).toBeUndefined();
  const client = await openStudio(folder);
  const page = await client.page("/train");
  expect(runOf(page)).toContain("Paused");
  expect(runOf(page)).toContain("Resume");
  expect(isFinished(join(folder, "runs", "one"))).toBe(false);
});
