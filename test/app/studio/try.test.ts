// The screen Try: which runs can be asked what, and the rows that a run got wrong.
import { mkdirSync, readdirSync, readFileSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseHTML } from "linkedom";
import { expect, test } from "vitest";
import { spansOf } from "../../../src/app/studio/answers/results.js";
import { predicted, writeRun } from "./runs.js";
import { openStudio } from "./support.js";

const documentOf = (page: string) => parseHTML(page).document;
const textsOf = (page: string, selector: string) =>
  [...documentOf(page).querySelectorAll(selector)].map(({ textContent }) => textContent.replace(/\s+/g, " ").trim());

test("before a run has finished the screen leads to training", async () => {
  const studio = await openStudio();
  mkdirSync(join(studio.folder, "runs", "begun"), { recursive: true });
  writeFileSync(join(studio.folder, "runs", "begun", ".bidora-run"), "a run\n");
  expect(await studio.page("/try")).toContain('<a href="/train">');
});

test("runs side by side are those with the same task and columns; the others are links", async () => {
  const studio = await openStudio();
  writeRun(studio.folder, "one");
  writeRun(studio.folder, "two");
  writeRun(studio.folder, "pairs", { metadata: { textColumns: ["a", "b"] } });
  writeRun(studio.folder, "words", { metadata: { task: "token-classification", textColumns: ["tokens"] } });
  writeRun(studio.folder, "own", { metadata: { task: "a-task-of-a-program" } });
  const page = await studio.page("/try?run=one&run=two&run=pairs");
  const boxes = [...documentOf(page).querySelectorAll("input[type=checkbox]")];
  expect(boxes.map((box) => [box.getAttribute("value"), box.hasAttribute("checked")]).sort()).toEqual([
    ["one", true],
    ["two", true],
  ]);
  expect(textsOf(page, "nav.others a").sort()).toEqual(["sequence-classification of a and b", "token-classification"]);
  expect(textsOf(await studio.page("/try?run=pairs"), ".asked label")).toEqual(["a", "b"]);
});

test("scores on different validation rows name them", async () => {
  const studio = await openStudio();
  writeRun(studio.folder, "one");
  writeRun(studio.folder, "two");
  const notes = async () => textsOf(await studio.page("/try?run=one"), ".box .note").sort();
  expect(await notes()).toEqual(["lora, Accuracy 0.9000", "lora, Accuracy 0.9000"]);
  writeRun(studio.folder, "three", { settings: { validation: "rows/valid-2.jsonl" } });
  expect(await notes()).toEqual([
    "lora, Accuracy 0.9000 on rows/valid-2.jsonl",
    ...Array.from({ length: 2 }, () => "lora, Accuracy 0.9000 on rows/valid.jsonl"),
  ]);
});

test("the base model can be asked where it needs no trained head", async () => {
  const studio = await openStudio();
  writeRun(studio.folder, "classes");
  writeRun(studio.folder, "chat", { metadata: { task: "causal-lm", labels: [], textColumns: ["messages"] } });
  writeRun(studio.folder, "search", {
    metadata: { task: "embedding", labels: [], textColumns: ["anchor", "positive"] },
  });
  const hasBox = async (run: string) =>
    (await studio.page(`/try?run=${run}&base=on`)).includes('name="base" value="on"');
  expect([await hasBox("classes"), await hasBox("chat"), await hasBox("search")]).toEqual([false, true, true]);
  expect(await studio.page("/try?run=classes&base=on")).toContain("no trained head for sequence-classification");
});

test("the talks of a run that is removed are gone: the next run of its name begins anew", async () => {
  const studio = await openStudio();
  const chat = { metadata: { task: "causal-lm", labels: [], textColumns: ["messages"] } };
  writeRun(studio.folder, "chat", chat);
  mkdirSync(join(studio.folder, "tried"));
  const talk = JSON.stringify({ messages: [{ role: "user", content: "said before" }], answer: "heard" });
  const files = ["chat_chat", "chat-base_chat", "prompt_chat", "chat_chat-2"].map((name) => `${name}.jsonl`);
  for (const name of files) writeFileSync(join(studio.folder, "tried", name), `${talk}\n`);
  expect(await studio.page("/try?run=chat")).toContain("said before");
  expect((await studio.post("/train/remove", { name: "chat" })).status).toBe(303);
  writeRun(studio.folder, "chat", chat);
  expect(await studio.page("/try?run=chat")).not.toContain("said before");
  expect(readdirSync(join(studio.folder, "tried"))).toEqual(["chat_chat-2.jsonl"]);
});

test("a language model is asked as its rows were; the address says otherwise", async () => {
  const studio = await openStudio();
  writeRun(studio.folder, "chat", { metadata: { task: "causal-lm", labels: [], textColumns: ["messages"] } });
  writeRun(studio.folder, "text", {
    metadata: { task: "causal-lm", labels: [], textColumns: ["prompt", "completion"] },
  });
  writeRun(studio.folder, "pref", { metadata: { task: "preference", labels: [], textColumns: undefined } });
  writeFileSync(join(studio.folder, "runs", "pref", "chat_template.jinja"), "{{ messages }}");
  const formOf = async (query: string) => textsOf(await studio.page(`/try?${query}`), "#talk-title")[0];
  expect(await formOf("run=chat")).toBe("Conversation");
  expect(await formOf("run=text")).toBe("Text");
  expect(await formOf("run=pref")).toBe("Conversation");
  expect(await formOf("run=chat&form=prompt")).toBe("Text");
});

test("wrong rows are sorted by loss and paged, each with its place to mend", async () => {
  const studio = await openStudio();
  const rows = Array.from({ length: 50 }, (_, i) => predicted(i + 1, i % 2, "ham", i === 30 ? 99 : i / 100));
  writeRun(studio.folder, "one", { predictions: rows });
  const page = await studio.page("/try?run=one");
  expect(textsOf(page, "#wrong h2 + p")).toEqual([
    "25 of 50 validation rows, the largest loss first. Mended rows are together in a new file, which the next run uses if it would use the old one.",
  ]);
  const texts = textsOf(page, "ol.wrong .text");
  // Row 31 has the largest loss, and is right.
  expect(texts.slice(0, 3)).toEqual(["text 50", "text 48", "text 46"]);
  expect(texts).toHaveLength(20);
  expect(textsOf(page, "ol.wrong li:first-child dd")).toEqual(["spam", "ham", "90.0 %", "0.4900"]);
  expect(documentOf(page).querySelector("ol.wrong a")?.getAttribute("href")).toBe("/data?file=valid.jsonl&row=50");
  const second = await studio.page("/try?run=one&page=2");
  expect(textsOf(second, "ol.wrong .text")).toEqual(["text 10", "text 8", "text 6", "text 4", "text 2"]);
  expect(documentOf(second).querySelector("ol.wrong")?.getAttribute("start")).toBe("21");
});

test("the loss of a row with several parts is that of one of them", async () => {
  const studio = await openStudio();
  const row = (line: number, loss: number, weight: number) => ({
    ...{ file: "rows/valid.jsonl", line, text: `text ${line}`, reference: ["O", "B-X"], loss, weight },
    prediction: { tokens: ["a", "b"], labels: ["O", "O"] },
  });
  writeRun(studio.folder, "words", {
    metadata: { task: "token-classification", labels: ["O", "B-X"], textColumns: ["tokens"] },
    predictions: [row(1, 8, 8), row(2, 4, 1)],
  });
  expect(textsOf(await studio.page("/try"), "ol.wrong .text")).toEqual(["text 2", "text 1"]);
});

test("rows of tasks that compare texts are wrong where the right text does not come first", async () => {
  const studio = await openStudio();
  const at = (line: number) => ({ file: "rows/valid.jsonl", line, text: `text ${line}` });
  const cases = {
    preference: [{ margin: -0.5, chosen: 1, rejected: 2 }, { margin: 0.5, chosen: 2, rejected: 1 }, {}],
    reward: [{ chosen: 1, rejected: 3 }, { chosen: 3, rejected: 1 }, {}],
    embedding: [{ ranks: [3] }, { ranks: [1] }, {}],
    reranking: [{ ranked: [1, 2] }, { ranked: [2, 1] }, { reference: [true, false] }],
  } as const;
  for (const [task, [wrong, right, more]] of Object.entries(cases)) {
    const rows = [right, wrong].map((prediction, i) => ({ ...at(i + 1), ...more, prediction }));
    writeRun(studio.folder, task, { metadata: { task, labels: [], textColumns: ["text"] }, predictions: rows });
    expect([task, ...textsOf(await studio.page(`/try?run=${task}`), "ol.wrong .text")]).toEqual([task, "text 2"]);
  }
});

test("rows of a file that was written after the run say so, and others are no rows of the studio", async () => {
  const studio = await openStudio();
  mkdirSync(join(studio.folder, "rows"));
  const file = join(studio.folder, "rows", "valid.jsonl");
  writeFileSync(file, "{}\n");
  utimesSync(file, 1, 1);
  const elsewhere = { ...predicted(2, 1, "ham", 1), file: "/data/valid.jsonl" };
  writeRun(studio.folder, "one", { predictions: [predicted(1, 1, "ham", 2), elsewhere] });
  const page = await studio.page("/try");
  expect(page).not.toContain("has changed");
  expect(textsOf(page, "ol.wrong a")).toEqual(["Mend valid.jsonl line 1"]);
  utimesSync(file, 4e9, 4e9);
  expect(await studio.page("/try")).toContain("rows/valid.jsonl has changed since the run");
});

test("what is asked is kept as rows that the command line takes; an empty field is refused with the others as typed", async () => {
  const studio = await openStudio();
  writeRun(studio.folder, "pairs", { metadata: { textColumns: ["a", "b"] } });
  const refused = await studio.post("/try/ask", { run: "pairs", "value-0": "one <b>", "value-1": " " });
  expect(refused.status).toBe(422);
  const page = await refused.text();
  expect(textsOf(page, "#problem")).toEqual(["Give a text for b first."]);
  expect(page).toMatch(/name="value-0" required>\n?one &lt;b&gt;<\/textarea>/);
  const asked = await studio.post("/try/ask", { run: "pairs", "value-0": "one", "value-1": "two" });
  const address = new URL(asked.headers.get("location")!, studio.origin);
  expect(asked.status).toBe(303);
  expect(address.searchParams.getAll("run")).toEqual(["pairs"]);
  const name = address.searchParams.get("row")!;
  expect(readFileSync(join(studio.folder, "tried", name), "utf8")).toBe('{"a":"one","b":"two"}\n');
  const shown = await studio.page(address.pathname + address.search);
  expect(textsOf(shown, "textarea")).toEqual(["one", "two"]);
  expect(textsOf(shown, "#command-text")).toEqual([
    `npx bidora predict --adapter runs/pairs --input tried/${name} --output tried/predicted-pairs.jsonl --overwrite`,
  ]);
});

test("names in addresses lead nowhere else", async () => {
  const studio = await openStudio();
  writeRun(studio.folder, "one");
  expect(await studio.page("/try?run=one&row=..%2F..%2Fsecret")).toContain("can&#39;t be a name here");
  expect((await studio.get("/try?run=..%2Fone")).status).toBe(200);
});

test("words of one entity are marked together", () => {
  const words = ["Ada", "Lovelace", "met", "Charles", "Paris", "x"];
  const labels = ["B-PER", "I-PER", "O", "B-PER", "B-LOC", null];
  expect(spansOf(words, labels)).toEqual([
    { name: "PER", words: ["Ada", "Lovelace"] },
    { name: undefined, words: ["met"] },
    { name: "PER", words: ["Charles"] },
    { name: "LOC", words: ["Paris"] },
    { name: undefined, words: ["x"] },
  ]);
  expect(spansOf(["a", "dog"], ["DET", "NOUN"]).map(({ name }) => name)).toEqual(["DET", "NOUN"]);
  expect(spansOf(["a", "b"], ["I-X", "I-Y"])).toHaveLength(2);
});
