// The screen Train, without training: the queue, and what it tells of runs.
import { existsSync, mkdirSync, readdirSync, readFileSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseHTML } from "linkedom";
import { expect, test } from "vitest";
import { holdFolder } from "../../../src/base/records/index.js";
import { ended, failed, started, step, writeRun } from "./runFolders.js";
import { type Client, openStudio, until } from "./support.js";

const RUN_FILE = `# what we train
model: models/none # not there
train: rows/rows.jsonl
task: sequence-classification
method: dora
overwrite: true
`;

/** A studio whose runs fail at once, because the model is not there. */
async function studioWith(text = RUN_FILE): Promise<Client> {
  const client = await openStudio();
  writeFileSync(join(client.folder, "run.yaml"), text);
  return client;
}

function queued(client: Client, ...names: readonly string[]): void {
  mkdirSync(join(client.folder, "queue"), { recursive: true });
  for (const [i, name] of names.entries()) {
    const path = join(client.folder, "queue", `${name}.yaml`);
    writeFileSync(path, RUN_FILE.replace("overwrite: true\n", `output: runs/${name}\n`));
    utimesSync(path, 1e9 + i, 1e9 + i);
  }
}

const documentOf = (page: string) => parseHTML(page).document;
const textOf = (page: string, selector: string): string =>
  documentOf(page).querySelector(selector)?.textContent.replace(/\s+/g, " ").trim() ?? "";
const problemIn = async (answer: Response): Promise<string> => textOf(await answer.text(), "#problem");
const waitingIn = (page: string): string[] =>
  [...documentOf(page).querySelectorAll("#queue li > a")].map((link) => link.textContent);

test("what comes first is said, with a link", async () => {
  const client = await openStudio();
  expect(await client.page("/train")).toContain('<a href="/model">Choose one on Model</a>');
  writeFileSync(join(client.folder, "run.yaml"), "model: model\n");
  expect(await client.page("/train")).toContain('<a href="/data">Choose them on Data</a>');
  writeFileSync(join(client.folder, "run.yaml"), "modle: model\n");
  expect(textOf(await client.page("/train"), ".alert")).toContain('unknown key "modle". Did you mean "model"?');
});

test("a start without a model, or with a name that is none or taken, is refused and leaves nothing", async () => {
  const empty = await openStudio();
  expect(await problemIn(await empty.post("/train/start", { name: "one" }))).toContain("Choose a model first");
  const client = await studioWith();
  const refused = await client.post("/train/start", { name: "../one" });
  expect(refused.status).toBe(422);
  expect(await problemIn(refused)).toContain("can't be a name here");
  writeRun(join(client.folder, "runs", "one"), [started]);
  const page = await (await client.post("/train/start", { name: "one" })).text();
  expect(textOf(page, "#problem")).toBe("There is a run one already: take another name, such as one-2.");
  expect(documentOf(page).querySelector("#field-name")?.getAttribute("value")).toBe("one");
  expect(existsSync(join(client.folder, "queue"))).toBe(false);
});

test("a run in the queue has the settings of run.yaml as they were, and its own output", async () => {
  const client = await studioWith();
  expect(textOf(await client.page("/train"), "#command-text")).toBe("npx bidora finetune run.yaml --output runs/dora");
  expect((await client.post("/train/start", { name: "one" })).status).toBe(303);
  writeFileSync(join(client.folder, "run.yaml"), "model: another\n");
  expect(readFileSync(join(client.folder, "queue", "one.yaml"), "utf8")).toBe(
    RUN_FILE.replace("overwrite: true", "output: runs/one"),
  );
  const page = await until(client, "/train", "Failed");
  expect(textOf(page, "#run .failure")).toContain("models/none");
  expect(documentOf(page).querySelector("#command-text")?.textContent).toContain(
    "finetune queue/one.yaml --output runs/one",
  );
});

test("why a run failed outlives the studio, and it can be removed", async () => {
  const client = await studioWith();
  await client.post("/train/start", { name: "one" });
  await until(client, "/train", "Failed");
  await client.close();
  const again = await openStudio(client.folder);
  const page = await again.page("/train");
  expect(textOf(page, "#ended-one")).toMatch(/^one Failed .*models\/none/);
  expect(page).not.toContain('id="queue"');
  await again.post("/train/remove", { name: "one" });
  expect(await again.page("/train")).not.toContain("ended-one");
  expect(readdirSync(join(client.folder, "queue"))).toEqual(["queue.json"]);
});

test("a run that failed before it had a state starts again as it was, or with the settings of now", async () => {
  const client = await studioWith();
  await client.post("/train/start", { name: "one" });
  await until(client, "/train", "Failed");
  const file = join(client.folder, "queue", "one.yaml");
  const before = readFileSync(file, "utf8");
  writeFileSync(join(client.folder, "run.yaml"), RUN_FILE.replace("models/none", "models/other"));
  const buttons = [...documentOf(await client.page("/train")).querySelectorAll("#run > .buttons > form button")];
  const texts = buttons.map(({ textContent }) => textContent);
  expect(texts).toEqual(["Start again as it was", "Start again with the present settings"]);
  await client.post("/train/resume", { name: "one" });
  await until(client, "/train", "Failed");
  expect(readFileSync(file, "utf8")).toBe(before);
  expect((await client.post("/train/renew", { name: "one" })).status).toBe(303);
  expect(readFileSync(file, "utf8")).toBe(before.replace("models/none", "models/other"));
  expect(textOf(await until(client, "/train", "Failed"), "#run .failure")).toContain("models/other");
});

test("a log of a run that failed before its first state does not hold it to its settings", async () => {
  const client = await studioWith();
  const folder = join(client.folder, "runs", "one");
  writeRun(folder, [started, failed("x")]);
  writeFileSync(join(folder, "run.yaml"), RUN_FILE);
  writeRun(join(client.folder, "runs", "done"), [started, ended({})], {});
  writeFileSync(join(client.folder, "run.yaml"), RUN_FILE.replace("models/none", "models/other"));
  await client.post("/train/renew", { name: "one" });
  const page = await until(client, "/train?run=one", "Failed");
  expect(textOf(page, "#run .failure")).toContain("models/other");
  expect(textOf(page, "#command-text")).toContain("finetune queue/one.yaml --output runs/one");
  expect(await problemIn(await client.post("/train/renew", { name: "done" }))).toContain("done has trained already");
});

test("queued files are found again in their order, and nothing starts by itself", async () => {
  const client = await studioWith();
  queued(client, "a", "b", "c");
  await client.post("/train/up", { name: "c" });
  await client.post("/train/up", { name: "c" });
  await client.post("/train/up", { name: "c" });
  await client.close();
  const again = await openStudio(client.folder);
  expect(waitingIn(await again.page("/train"))).toEqual(["c", "a", "b"]);
  await again.post("/train/leave", { name: "a" });
  expect(waitingIn(await again.page("/train"))).toEqual(["c", "b"]);
  expect(existsSync(join(client.folder, "queue", "a.yaml"))).toBe(false);
  expect(existsSync(join(client.folder, "runs"))).toBe(false);
});

test("a run that fails makes room for the next one", async () => {
  const client = await studioWith();
  queued(client, "a", "b");
  await client.post("/train/go");
  const page = await until(client, "/train", /ended-b.*Failed/s);
  expect(waitingIn(page)).toEqual([]);
  expect(textOf(page, "#ended-a")).toContain("Failed");
});

test("a file that names another output trains into the run of its own name", async () => {
  const client = await studioWith();
  queued(client, "a");
  const path = join(client.folder, "queue", "a.yaml");
  writeFileSync(path, readFileSync(path, "utf8").replace("output: runs/a", "output: elsewhere"));
  await client.post("/train/go");
  const page = await until(client, "/train", /ended-a/);
  expect(textOf(page, "#command-text")).toContain("finetune queue/a.yaml --output runs/a");
});

test("a broken list of the order loses no run", async () => {
  const client = await studioWith();
  queued(client, "a");
  writeFileSync(join(client.folder, "queue", "queue.json"), "{");
  expect(waitingIn(await client.page("/train"))).toEqual(["a"]);
});

test("a run that failed shows its sentence, with links to the settings that it names and to what can help", async () => {
  const client = await studioWith();
  const message = "The loss is NaN: a smaller --learning-rate or --on-nonfinite skip can help; --resume goes on.";
  writeRun(join(client.folder, "runs", "one"), [started, step(3), failed(message)]);
  const page = await client.page("/train");
  expect(textOf(page, "#run [role=status]")).toBe("Failed after step 3 of 20.");
  expect(textOf(page, "#run .failure p")).toBe(message);
  const links = [...documentOf(page).querySelectorAll("#run .failure a")].map((link) => link.getAttribute("href"));
  expect(links).toEqual(["#setting-learningRate", "#setting-onNonfinite", "#setting-maxGradNorm"]);
  expect(textOf(page, "#command-text")).toContain("finetune queue/one.yaml --output runs/one --resume");
});

test("a run whose process was killed names what takes less memory", async () => {
  const client = await studioWith();
  writeRun(join(client.folder, "runs", "one"), [started, step(3)]);
  mkdirSync(join(client.folder, "queue"));
  const message = "Its process was killed, as the system does when memory runs out.";
  const state = { order: [], ended: { one: { state: "failed", message } } };
  writeFileSync(join(client.folder, "queue", "queue.json"), JSON.stringify(state));
  const page = await client.page("/train");
  expect(textOf(page, "#run .failure")).toBe(
    `${message}What can help: --batch-size, --max-length, --gradient-checkpointing.`,
  );
});

test("a run that was resumed after its failure has not failed", async () => {
  const client = await studioWith();
  writeRun(join(client.folder, "runs", "one"), [started, step(3), failed("x"), started, step(4)]);
  const page = await client.page("/train");
  expect(textOf(page, "#ended-one")).toBe("one Stopped at step 4 of 20");
});

test("a finished run has its scores beside the baselines, and can't go on", async () => {
  const client = await studioWith();
  const evaluated = (at: number, accuracy: number) => ({
    ...{ event: "evaluation", time: started.time, phase: "train", step: at, metrics: { accuracy } },
  });
  const scores = { accuracy: 0.9, test_accuracy: 0.8 };
  writeRun(
    join(client.folder, "runs", "one"),
    [started, evaluated(0, 0.25), step(20), evaluated(20, 0.7), ended(scores, { accuracy: 0.5 })],
    scores,
  );
  const page = await client.page("/train");
  const rows = [...documentOf(page).querySelectorAll("#run tbody tr")].map((row) => row.textContent);
  expect(rows).toEqual(["Accuracy0.90000.50000.2500", "Test accuracy0.8000––"]);
  expect(textOf(page, "#ended-one")).toContain("lora · Test accuracy 0.8000");
  expect(page).toContain('<a href="/train/report/one">');
  await until(client, "/train", "Training loss");
  expect(await problemIn(await client.post("/train/resume", { name: "one" }))).toContain("one has ended");
});

test("scores on different validation rows name them", async () => {
  const client = await studioWith();
  const scored = (name: string, settings: object) => {
    const start = { ...started, settings: { ...started.settings, train: "rows/train.jsonl", ...settings } };
    const metrics = { accuracy: 0.9 };
    writeRun(join(client.folder, "runs", name), [start, step(20), ended(metrics)], metrics);
  };
  scored("one", { validation: "rows/valid.jsonl" });
  expect(textOf(await client.page("/train"), "#ended-one")).toBe("one Done lora · Accuracy 0.9000");
  scored("two", { holdoutFraction: 0.1 });
  const page = await client.page("/train");
  expect(textOf(page, "#ended-one")).toBe("one Done lora · Accuracy 0.9000 on rows/valid.jsonl");
  expect(textOf(page, "#ended-two")).toBe("two Done lora · Accuracy 0.9000 on rows held out of rows/train.jsonl");
});

test("a run that is no better than a constant says so", async () => {
  const client = await studioWith();
  const runs = join(client.folder, "runs");
  const scored = (name: string, accuracy: number, goal: string) => {
    const start = { ...started, judgedBy: { metric: "accuracy", goal } };
    writeRun(join(runs, name), [start, step(20), ended({ accuracy }, { accuracy: 0.5 })], { accuracy });
  };
  scored("same", 0.5, "maximize");
  scored("better", 0.6, "maximize");
  scored("higher", 0.6, "minimize");
  scored("lower", 0.4, "minimize");
  const says = async (name: string) => (await client.page(`/train?run=${name}`)).includes("no better than always");
  expect(await Promise.all(["same", "better", "higher", "lower"].map(says))).toEqual([true, false, true, false]);
});

test("removing takes what bidora wrote, and leaves other files", async () => {
  const client = await studioWith();
  const folder = join(client.folder, "runs", "one");
  writeRun(folder, [started, ended({})], {});
  writeFileSync(join(folder, "notes.txt"), "mine");
  writeRun(join(client.folder, "runs", "two"), [started, ended({})], {});
  await client.post("/train/remove", { name: "one" });
  await client.post("/train/remove", { name: "two" });
  expect(readdirSync(folder)).toEqual(["notes.txt"]);
  expect(readdirSync(join(client.folder, "runs"))).toEqual(["one"]);
  expect(await problemIn(await client.post("/train/remove", { name: "three" }))).toBe("There is no run three.");
});

test("a run that another process writes is shown as such, and neither continued nor removed", async () => {
  const client = await studioWith();
  const folder = join(client.folder, "runs", "one");
  writeRun(folder, [started, step(3)]);
  await holdFolder(folder, async () => {
    expect(textOf(await client.page("/train"), "#ended-one")).toContain("Running elsewhere");
    for (const what of ["resume", "remove"]) {
      const answer = await client.post(`/train/${what}`, { name: "one" });
      expect(answer.status).toBe(422);
      expect(await problemIn(answer)).toMatch(/runs\/one is being written by .*: wait until it ends/);
    }
  });
  expect(existsSync(join(folder, "events.jsonl"))).toBe(true);
  expect(textOf(await client.page("/train"), "#ended-one")).toContain("Stopped");
});

test("the queue holds with the lock's sentence where another process writes the next run", async () => {
  const client = await studioWith();
  queued(client, "b");
  const folder = join(client.folder, "runs", "a");
  writeRun(folder, [started, step(3)]);
  writeFileSync(join(client.folder, "queue", "queue.json"), JSON.stringify({ order: ["a", "b"], ended: {} }));
  await holdFolder(folder, async () => {
    expect(await problemIn(await client.post("/train/go"))).toContain("is being written by");
    await client.post("/train/start", { name: "c" });
    const page = await client.page("/train");
    expect(textOf(page, "#queue .problem")).toContain("is being written by");
    expect(waitingIn(page)).toEqual(["a", "b", "c"]);
  });
});

test("a report of what is not there is not found", async () => {
  const client = await studioWith();
  const answer = await client.get("/train/report/none");
  expect(answer.status).toBe(404);
  expect(await answer.text()).toBe("runs/none has nothing to report yet.");
  expect((await client.get("/train/report/..%2F..")).status).toBe(404);
});

test("the link of a run leads to it, whatever its name", async () => {
  const client = await studioWith();
  for (const name of ["a+1", "zz"]) writeRun(join(client.folder, "runs", name), [started, failed("x")]);
  for (const link of documentOf(await client.page("/train")).querySelectorAll("#runs li > a")) {
    const page = await client.page(link.getAttribute("href") ?? "");
    expect(textOf(page, "#runs a[aria-current]")).toBe(link.textContent);
  }
});
