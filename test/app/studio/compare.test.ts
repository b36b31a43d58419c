// The screen Compare, without training: what is asked for, the file of a comparison, and how far one is.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseHTML } from "linkedom";
import { expect, test, vi } from "vitest";
import { Commands } from "../../../src/app/studio/commands.js";
import { shareOf } from "../../../src/app/studio/comparisons/progress.js";
import { holdFolder } from "../../../src/base/records/index.js";
import { ended, started, step, writeRun } from "./runFolders.js";
import { type Client, openStudio, until } from "./support.js";

const RUN_FILE = `model: models/none # not there
train: rows/rows.jsonl
task: sequence-classification
method: dora
seed: 7
`;

async function studioWith(text = RUN_FILE): Promise<Client> {
  const client = await openStudio();
  writeFileSync(join(client.folder, "run.yaml"), text);
  return client;
}

const documentOf = (page: string) => parseHTML(page).document;
const textOf = (page: string, selector: string): string =>
  documentOf(page).querySelector(selector)?.textContent.replace(/\s+/g, " ").trim() ?? "";
const problemIn = async (answer: Response): Promise<string> => textOf(await answer.text(), "#problem");

/** A folder of a comparison with four runs, of which some are done. */
function comparisonIn(client: Client, name: string, done: number): string {
  const folder = join(client.folder, "comparisons", name);
  const runs = ["lora", "dora"].flatMap((method) => [0, 1].map((seed) => join("task", method, `seed-${seed}`)));
  mkdirSync(folder, { recursive: true });
  const plan = Object.fromEntries(runs.map((run) => [run, { settings: {}, data: {} }]));
  writeFileSync(join(folder, "comparison-plan.json"), JSON.stringify(plan));
  for (const run of runs.slice(0, done)) writeRun(join(folder, run), [started, ended({})], {});
  return folder;
}

test("a new comparison has the usual methods and three seeds; its address keeps what is typed", async () => {
  const client = await studioWith();
  const checked = (page: string) =>
    [...documentOf(page).querySelectorAll("input[type=checkbox][checked]")].map((box) => box.getAttribute("value"));
  const first = await client.page("/compare");
  expect(checked(first)).toEqual(["lora", "dora"]);
  expect(textOf(first, "#costs p")).toContain("6 runs.");
  const next = await client.page(
    "/compare?methods=full&methods=vera&variants=lora%2Bpissa&seeds=5&rates=1e-3+3e-3&margin=",
  );
  expect(checked(next)).toEqual(["full", "vera"]);
  expect(textOf(next, "#costs p")).toContain("15 runs, and those that try the learning rates.");
  expect(documentOf(next).querySelector("#more-methods")?.hasAttribute("open")).toBe(true);
});

test.each([
  ["methods=&seeds=2", "Choose at least one method."],
  ["methods=lora&seeds=0", 'Expected a number of seeds from 1 to 100; got "0".'],
  ["methods=lora&seeds=", "Expected a number of seeds from 1 to 100; got nothing."],
  ["methods=lora&seeds=2&rates=1e-3+fast", 'Expected learning rates such as 1e-4, 3e-4, above 0; got "fast".'],
  ["methods=lora&seeds=2&margin=-1", 'Expected a margin, above 0; got "-1".'],
])("%s is refused, in the page and as a form", async (query, sentence) => {
  const client = await studioWith();
  const page = await client.page(`/compare?${query}`);
  expect(textOf(page, ".problem[role=alert]")).toBe(sentence);
  expect(page).toContain('id="field-seeds"');
  const fields = Object.fromEntries(new URLSearchParams(query));
  const answer = await client.post("/compare/start", fields);
  expect(answer.status).toBe(422);
  expect(await problemIn(answer)).toBe(sentence);
  expect(existsSync(join(client.folder, "comparisons"))).toBe(false);
});

test("what comes first is said", async () => {
  const client = await openStudio();
  expect(await client.page("/compare")).toContain('<a href="/model">Choose one on Model</a>');
  expect(await problemIn(await client.post("/compare/start", { methods: "lora", seeds: "2" }))).toContain(
    "Choose a model first",
  );
});

test("a comparison's file has the run's settings but those of one run, and what is compared", async () => {
  const client = await studioWith();
  const asked = {
    name: "one",
    methods: "bidora,lora",
    variants: "lora+pissa",
    seeds: "2",
    rates: "1e-3, 3e-3",
    margin: "0.5",
  };
  expect((await client.post("/compare/start", asked)).headers.get("location")).toBe("/compare?show=one");
  expect(readFileSync(join(client.folder, "comparisons", "one.yaml"), "utf8")).toBe(`model: models/none # not there
train: rows/rows.jsonl
task: sequence-classification
methods: [lora, bidora, lora+pissa]
seeds: [0, 1]
tune: {learningRate: [0.001, 0.003]}
margin: 0.5
output: comparisons/one
`);
  const page = await until(client, "/compare?show=one", "Failed");
  expect(textOf(page, "#comparison .failure")).toContain("There is no rows/rows.jsonl, which --train names");
  expect(page).toContain('<a href="/data">--train</a>');
  expect(textOf(page, "#comparison [role=status]")).toBe("It was not started.");
  expect(textOf(page, "#command-text")).toContain("npx bidora compare comparisons/one.yaml --output comparisons/one");
  await client.post("/compare/forget", { name: "one" });
  expect(existsSync(join(client.folder, "comparisons", "one.yaml"))).toBe(false);
});

test("a comparison that was started keeps its file, and shows how far it is", async () => {
  const client = await studioWith();
  const folder = comparisonIn(client, "one", 3);
  const failures = { "task/dora/seed-1": { reason: "bidora: NaN with --learning-rate 1", time: started.time } };
  writeFileSync(join(folder, "comparison-failed.json"), JSON.stringify(failures));
  const answer = await client.post("/compare/start", { name: "one", methods: "lora", seeds: "2" });
  expect(await problemIn(answer)).toBe("There is a comparison one already: take another name, such as methods.");
  const page = await client.page("/compare");
  expect(textOf(page, "#comparison [role=status]")).toContain("3 of 4 runs are done. Going on makes the missing ones");
  expect(textOf(page, "#comparison .failure")).toBe("NaN with --learning-rate 1");
  expect(page).toContain('href="/train#setting-learningRate"');
  expect(await problemIn(await client.post("/compare/go", { name: "one" }))).toContain(
    "one.yaml is not there any more",
  );
  expect(await problemIn(await client.post("/compare/forget", { name: "one" }))).toContain("one has runs");
});

test("a comparison that another process writes is shown as such, and not continued", async () => {
  const client = await studioWith();
  const folder = comparisonIn(client, "one", 1);
  writeFileSync(join(client.folder, "comparisons", "one.yaml"), RUN_FILE);
  await holdFolder(folder, async () => {
    expect(textOf(await client.page("/compare"), "#comparison [role=status]")).toContain("is writing this comparison");
    expect(await problemIn(await client.post("/compare/go", { name: "one" }))).toContain("is being written by");
  });
});

test("the share of a comparison counts the steps of a run that is going on", async () => {
  const client = await studioWith();
  const folder = comparisonIn(client, "one", 1);
  expect(shareOf(folder)).toBe(1 / 4);
  const running = join(folder, "task", "lora", "seed-1");
  writeRun(running, [started, step(4), step(5)]);
  expect(shareOf(folder)).toBe(1 / 4);
  await holdFolder(running, async () => expect(shareOf(folder)).toBe((1 + 5 / 20) / 4));
  expect(shareOf(join(client.folder, "comparisons", "none"))).toBeUndefined();
});

test("costs are those of the rows and of the pilot as they are", async () => {
  const pair = {
    method: "lora",
    isOfGrid: false,
    runs: 4,
    trainedParameters: 1,
    steps: 1,
    seconds: 1,
    peakMemoryBytes: 1,
  };
  const costs = { pairs: [pair], seconds: 4, peakMemoryBytes: 1, detectable: {} };
  const client = await studioWith();
  const rows = join(client.folder, "rows", "rows.jsonl");
  mkdirSync(join(client.folder, "rows"));
  writeFileSync(rows, "{}\n");
  comparisonIn(client, "earlier", 1);
  const asked = { name: "one", methods: "lora", seeds: "2", pilot: "earlier" };
  const address = `/compare?${new URLSearchParams(asked)}`;
  const isKnown = async () => (await client.page(address)).includes("Estimated costs of each method");
  const run = vi.spyOn(Commands.prototype, "run").mockResolvedValue([costs]);
  const estimate = async () => {
    await client.post("/compare/estimate", asked);
    await until(client, address, "Estimated costs of each method");
  };
  await estimate();
  writeFileSync(rows, "{}\n{}\n");
  expect(await isKnown()).toBe(false);
  await estimate();
  comparisonIn(client, "earlier", 2);
  expect(await isKnown()).toBe(false);
  run.mockImplementation(async () => {
    writeFileSync(rows, "{}\n");
    return [costs];
  });
  await client.post("/compare/estimate", asked);
  await until(client, address, "changed meanwhile");
  run.mockRestore();
});
