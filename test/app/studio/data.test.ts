// The screen Data, as a browser sees it: files that are added, their rows, what is found in them.
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { strToU8, zipSync } from "fflate";
import { expect, test } from "vitest";
import { FORMATS } from "../../../src/app/studio/data/importing/uploads.js";
import { ownCommand, yaml } from "../../../src/base/index.js";
import { GOLDEN } from "../../support/golden.js";
import { type Client, openStudio, until } from "./support.js";

const textRows = (count: number): readonly { text: string; label: string }[] =>
  Array.from({ length: count }, (_, i) => ({
    text: `message number ${i} about ${i % 2 ? "offers" : "people"}`,
    label: i % 3 ? "ham" : "spam",
  }));
const csv = (rows: readonly { text: string; label: string }[]): string =>
  `text,label\n${rows.map(({ text, label }) => `"${text}",${label}\n`).join("")}`;
const jsonl = (rows: readonly object[]): string => rows.map((row) => `${JSON.stringify(row)}\n`).join("");

const runOf = ({ folder }: Client): string => readFileSync(join(folder, "run.yaml"), "utf8");
const filesIn = ({ folder }: Client): string[] => readdirSync(join(folder, "rows")).sort();
const rowsIn = ({ folder }: Client, name: string): unknown[] =>
  readFileSync(join(folder, "rows", name), "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));

/** Sends a file, and waits until its rows are in sight. */
async function added(client: Client, name: string, content: string | Buffer): Promise<string> {
  const answer = await client.upload(`/data/upload?name=${encodeURIComponent(name)}`, content);
  expect([answer.status, answer.status === 303 ? "" : await answer.text()]).toEqual([303, ""]);
  const page = answer.headers.get("location")!;
  await until(client, page, /^(?![\s\S]*class="work running")[\s\S]*(id="rows-box"|class="work failed")/);
  return page;
}

test("a CSV file becomes rows, whose task and columns are found and written to run.yaml", async () => {
  const client = await openStudio();
  const empty = await client.page("/data");
  expect(empty).toContain("Drop files here");
  expect(empty).toContain(`accept="${FORMATS.join(",")}"`);
  const page = await added(client, "My messages (1).csv", csv(textRows(60)));
  expect(page).toBe("/data?file=My-messages-1.jsonl");
  expect(filesIn(client)).toEqual(["My-messages-1.csv", "My-messages-1.jsonl"]);
  expect(rowsIn(client, "My-messages-1.jsonl")).toEqual(textRows(60));
  const run = runOf(client);
  for (const line of [
    "train: rows/My-messages-1.jsonl",
    "task: sequence-classification",
    "textColumns: [text]",
    "labelColumn: [label]",
    "holdoutFraction: 0.1",
  ])
    expect(run).toContain(line);
  const shown = await client.page(page);
  expect(shown).toContain("60 rows");
  expect(shown).toContain("label has 2 distinct values in 60 rows (spam, ham)");
  expect(shown).not.toContain(client.folder.concat("/rows"));
  expect(shown).toContain("npx bidora init rows/My-messages-1.jsonl --no-estimate --yes --overwrite");
});

test("names are never taken twice, and what can't be read leaves nothing", async () => {
  const client = await openStudio();
  await added(client, "a.csv", csv(textRows(60)));
  expect(await added(client, "a.csv", csv(textRows(50)))).toBe("/data?file=a-2.jsonl");
  expect(rowsIn(client, "a.jsonl")).toHaveLength(60);
  // The run keeps its rows when other ones come.
  expect(runOf(client)).toContain("train: rows/a.jsonl");
  const before = filesIn(client);
  const page = await added(client, "bad.csv", "text,label\na,b\nc,d,e\n");
  const shown = await client.page(page);
  expect(shown).toContain("rows/bad.csv line 3: 3 columns, but the header has 2.");
  expect(filesIn(client)).toEqual(before);
  const headerless = await client.page(await added(client, "x.csv", "1,ham\n2,spam\n"));
  expect(headerless).toContain("its first line looks like a row");
  const refused = await client.upload("/data/upload?name=a.doc", "text");
  expect([refused.status, await refused.text()]).toEqual([400, expect.stringContaining("must end in one of .jsonl, ")]);
  expect((await client.upload("/data/upload?name=a.csv", "")).status).toBe(400);
  expect(
    (await client.upload("/data/upload?name=..%2F..%2Fetc.jsonl", jsonl(textRows(3)))).headers.get("location"),
  ).toBe("/data?file=etc.jsonl");
  await until(client, "/data?file=etc.jsonl", "3 rows");
  expect(filesIn(client)).toEqual([...before, "etc.jsonl"]);
});

test("an upload that breaks off leaves nothing", async () => {
  const client = await openStudio();
  const { origin, cookie } = client;
  const headers = { cookie, origin, "content-length": "1000" };
  const sent = request(`${origin}/data/upload?name=a.jsonl`, { method: "POST", headers });
  sent.on("error", () => {});
  sent.write(jsonl(textRows(3)));
  const rows = join(client.folder, "rows");
  while (!existsSync(rows) || readdirSync(rows).length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
  sent.destroy();
  while (readdirSync(rows).length > 0) await new Promise((resolve) => setTimeout(resolve, 20));
  expect(existsSync(join(client.folder, "run.yaml"))).toBe(false);
});

test("pasted rows are CSV, TSV or JSONL", async () => {
  const client = await openStudio();
  const paste = (pasted: string) => client.post("/data/paste", { pasted, name: "some rows" });
  const tsv = csv(textRows(4)).replaceAll(",", "\t").replaceAll("\n", "\r\n");
  for (const [i, text] of [csv(textRows(4)), tsv, jsonl(textRows(4))].entries()) {
    const page = (await paste(text)).headers.get("location")!;
    expect(page).toBe(`/data?file=some-rows${i === 0 ? "" : `-${i + 1}`}.jsonl`);
    await until(client, page, "4 rows");
    expect(rowsIn(client, page.slice("/data?file=".length))).toEqual(textRows(4));
  }
  const refused = await paste("");
  expect([refused.status, await refused.text()]).toEqual([422, expect.stringContaining("Give some rows first.")]);
});

test("a pasted text whose rows can't be read is in its box again, until it can be", async () => {
  const client = await openStudio();
  await client.post("/data/paste", { pasted: "a,b\r\none", name: "mine" });
  const page = await until(client, "/data", "Failed: rows/mine.csv line 2: 1 column, but the header has 2.");
  expect(page).toMatch(/<details id="paste" open>.*<textarea[^>]*>\na,b\r?\none<\/textarea>.*value="mine"/s);
  await client.post("/data/paste", { pasted: csv(textRows(4)), name: "mine" });
  expect(await until(client, "/data", "4 rows")).toMatch(/<details id="paste">.*<textarea[^>]*><\/textarea>/s);
});

/** An Excel file with a sheet of texts and numbers. */
function excel(...sheets: readonly (readonly (readonly (string | number)[])[])[]): Buffer {
  const cell = (value: string | number, at: string) =>
    typeof value === "number"
      ? `<c r="${at}"><v>${value}</v></c>`
      : `<c r="${at}" t="inlineStr"><is><t>${value}</t></is></c>`;
  const sheet = (rows: (typeof sheets)[number]) =>
    `<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>${rows.map((row, r) => `<row r="${r + 1}">${row.map((value, c) => (value === "" ? "" : cell(value, `${"ABCD"[c]}${r + 1}`))).join("")}</row>`).join("")}</sheetData></worksheet>`;
  const list = sheets.map((_, i) => i + 1);
  const relation = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
  const files = {
    "[Content_Types].xml": `<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>`,
    "_rels/.rels": `<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="a" Type="${relation}/officeDocument" Target="xl/workbook.xml"/></Relationships>`,
    "xl/workbook.xml": `<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="${relation}"><sheets>${list.map((i) => `<sheet name="Sheet ${i}" sheetId="${i}" r:id="r${i}"/>`).join("")}</sheets></workbook>`,
    "xl/_rels/workbook.xml.rels": `<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">${list.map((i) => `<Relationship Id="r${i}" Type="${relation}/worksheet" Target="worksheets/sheet${i}.xml"/>`).join("")}</Relationships>`,
    ...Object.fromEntries(sheets.map((rows, i) => [`xl/worksheets/sheet${i + 1}.xml`, sheet(rows)])),
  };
  return Buffer.from(zipSync(Object.fromEntries(Object.entries(files).map(([name, text]) => [name, strToU8(text)]))));
}

test("the first sheet of an Excel file becomes rows of texts", async () => {
  const client = await openStudio();
  const file = excel(
    [
      ["text", "label"],
      ["one & two".replace("&", "&amp;"), 1],
      [17, ""],
      ["", ""],
    ],
    [["other"]],
  );
  const page = await added(client, "book.xlsx", file);
  expect(rowsIn(client, "book.jsonl")).toEqual([
    { text: "one & two", label: "1" },
    { text: "17", label: "" },
  ]);
  expect(await client.page(page)).toContain("2 sheets: the rows are those of the first, Sheet 1.");
  const refused = async (name: string, content: Buffer) => client.page(await added(client, name, content));
  expect(await refused("none.xlsx", Buffer.from("no zip"))).toContain("can&#39;t be read as an Excel file (.xlsx)");
  expect(
    await refused(
      "twice.xlsx",
      excel([
        ["a", "a"],
        ["x", "y"],
      ]),
    ),
  ).toContain("has the column &quot;a&quot; twice");
  expect(
    await refused(
      "bare.xlsx",
      excel([
        ["a", ""],
        ["x", "y"],
      ]),
    ),
  ).toContain("the column B has values but no name");
  expect(filesIn(client)).toEqual(["book.jsonl", "book.xlsx"]);
});

test("a first line that is a row is refused, or read as one where the user says so", async () => {
  const client = await openStudio();
  const rows = [
    ["Please call me back when you have time tonight, will you", "1"],
    ["no", "0"],
  ];
  const asRows = rows.map(([column1, column2]) => ({ column1, column2 }));
  const files = {
    csv: rows.map(([text, label]) => `"${text}",${label}\n`).join(""),
    tsv: rows.map((row) => `${row.join("\t")}\n`).join(""),
    xlsx: excel(rows.map(([text, label]) => [text!, Number(label)])),
  };
  for (const [format, content] of Object.entries(files)) {
    const refused = await client.page(await added(client, `a.${format}`, content));
    expect(refused).toContain(`rows/a.${format}: its first line looks like a row`);
    const answer = await client.upload(`/data/upload?name=${format}.${format}&rowsFirst=on`, content);
    await until(client, answer.headers.get("location")!, 'id="rows-box"');
    expect(rowsIn(client, `${format}.jsonl`)).toEqual(asRows);
  }
  const pasted = await client.post("/data/paste", { pasted: files.csv, name: "pasted", rowsFirst: "on" });
  await until(client, pasted.headers.get("location")!, 'id="rows-box"');
  expect(rowsIn(client, "pasted.jsonl")).toEqual(asRows);
});

test("a file is used for one part of the run", async () => {
  const client = await openStudio();
  await added(client, "rows.csv", csv(textRows(60)));
  await added(client, "more.csv", csv(textRows(20)));
  const use = (file: string, part: string) => client.post("/data/use", { file, part });
  await use("more.jsonl", "validation");
  expect(runOf(client)).toContain("validation: rows/more.jsonl");
  expect(runOf(client)).not.toContain("holdoutFraction");
  await use("rows.jsonl", "train");
  expect(runOf(client)).toContain("validation: rows/more.jsonl");
  await use("more.jsonl", "test");
  expect(runOf(client)).not.toContain("validation");
  expect(runOf(client)).toContain("test: rows/more.jsonl");
  expect((await use("rows.jsonl", "other")).status).toBe(422);
});

test("training rows that are none of the files are named", async () => {
  const client = await openStudio();
  await added(client, "rows.csv", csv(textRows(60)));
  const trainOn = (train: string) =>
    writeFileSync(join(client.folder, "run.yaml"), runOf(client).replace(/^train: .*/m, `train: ${train}`));
  expect(await client.page("/data")).not.toContain("The next run trains on");
  trainOn("elsewhere.jsonl");
  expect(await client.page("/data")).toContain("The next run trains on elsewhere.jsonl, which does not exist.");
  writeFileSync(join(client.folder, "elsewhere.jsonl"), jsonl(textRows(60)));
  expect(await client.page("/data")).toContain("The next run trains on elsewhere.jsonl, which is not in rows/.");
  trainOn("rows/gone.jsonl");
  expect(await client.page("/data?file=rows.jsonl")).toContain("on rows/gone.jsonl, which does not exist.");
});

test("a file with one word per line stays as it is", async () => {
  const client = await openStudio();
  const words = "John\tB-PER\nruns\tO\n\nMary\tB-PER\nsleeps\tO\n\nPaul\tB-PER\n";
  const answer = await client.upload("/data/upload?name=words.tsv", words);
  expect(answer.headers.get("location")).toBe("/data?file=words.jsonl");
  await until(client, "/data", "It has one word per line, and stays as it is.");
  const page = await until(client, "/data?file=words.jsonl", "the filters and the split are for rows of tables");
  expect(page).toContain("One word per line, with its label.");
  expect(filesIn(client)).toEqual(["words.tsv"]);
  expect(runOf(client)).toContain("task: token-classification");
});

const lines = (source: string) =>
  [...source.matchAll(/<th scope="row"><a href="[^"]*">(\d+)</g)].map(([, line]) => Number(line));
const counts = (page: string) =>
  Object.fromEntries(
    [...page.matchAll(/id="filter-(\w+)"[^>]*>[^<]*<span class="count">([^<]*)</g)].map(([, name, count]) => [
      name,
      count,
    ]),
  );

test("rows can be limited to what is wrong with them, and come a part at a time", async () => {
  const client = await openStudio();
  const rows = [
    ...textRows(60),
    { text: "message number 5 about offers", label: "ham" },
    { text: " ", label: "ham" },
    { text: "no label" },
    { text: "a".repeat(500), label: "<b>" },
  ];
  const page = await added(client, "rows.jsonl", jsonl(rows));
  await added(client, "others.jsonl", jsonl(textRows(2)));
  const none = { all: "64", longest: "64", refused: "0", unlabeled: "1", duplicate: "1", empty: "1", leaked: "0" };
  expect(counts(await client.page(page))).toEqual(none);
  expect((await client.post("/data/use", { file: "others.jsonl", part: "validation" })).status).toBe(303);
  const shown = await until(client, page, /id="filter-leaked"[^>]*>[^<]*<span class="count">2</);
  expect(counts(shown)).toEqual({ ...none, leaked: "2" });
  expect(shown).toMatch(/label-name">ham<\/span> <span class="count">42 \(65\.6 %\)/);
  const part = (filter: string, from = 0, to = 400) =>
    client.page(
      `/data/rows?${new URLSearchParams({ file: "rows.jsonl", filter, from: String(from), to: String(to) })}`,
    );
  expect(lines(await part("duplicate"))).toEqual([61]);
  expect(lines(await part("leaked"))).toEqual([1, 2]);
  expect(lines(await part("label:spam")).slice(0, 3)).toEqual([1, 4, 7]);
  expect(lines(await part("longest"))[0]).toBe(64);
  expect(lines(await part("all", 10, 13))).toEqual([11, 12, 13]);
  expect(lines(await part("all", 60, 400))).toEqual([61, 62, 63, 64]);
  expect(await part("label:<b>")).toContain("&lt;b&gt;");
});

test("rows that the task would refuse are found, though no run can have them", async () => {
  const client = await openStudio();
  const page = await added(client, "rows.jsonl", jsonl([...textRows(60), { text: 5, label: "ham" }, ...textRows(3)]));
  const shown = await client.page(page);
  expect(shown).toContain("rows/rows.jsonl line 61: the column text must hold a string, but holds 5.");
  expect(counts(shown)).toMatchObject({ refused: "1", duplicate: "3" });
  expect(existsSync(join(client.folder, "run.yaml"))).toBe(false);
  const refused = await client.post("/data/use", { file: "rows.jsonl", part: "train" }, page);
  expect([refused.status, await refused.text()]).toEqual([422, expect.stringContaining("line 61: the column text")]);
  const whole = await client.post("/data/split", { file: "rows.jsonl", validation: "10" }, page);
  expect(whole.status).toBe(303);
  await until(client, page, "Failed: rows/rows-train.jsonl line");
  expect(filesIn(client)).toEqual(["rows.jsonl"]);
  await client.post("/data/split", { file: "rows.jsonl", validation: "10", remove: "refused" }, page);
  await until(client, page, "1 left out");
  expect(runOf(client)).toContain("train: rows/rows-train.jsonl");
});

test("another task or column is used if the rows fit it, and refused if not", async () => {
  const client = await openStudio();
  const rows = Array.from({ length: 60 }, (_, i) => ({
    text: `a few words ${i}`,
    other: `more words here ${i}`,
    label: i % 5,
    kind: i % 2 ? "x" : "y",
  }));
  const page = await added(client, "rows.jsonl", jsonl(rows));
  const post = (fields: Record<string, string>) =>
    client.post("/data/columns", { file: "rows.jsonl", before: "sequence-classification", ...fields }, page);
  const ok = await post({ task: "sequence-classification", text: "text", text2: "other", label: "kind" });
  expect(ok.status).toBe(303);
  expect(runOf(client)).toContain("textColumns: [text, other]");
  expect(runOf(client)).toContain("labelColumn: [kind]");
  expect(await client.page(page)).toContain("you chose something else");
  const before = runOf(client);
  const refused = await post({ task: "regression", text: "text", label: "kind", before: "regression" });
  expect([refused.status, await refused.text()]).toEqual([
    422,
    expect.stringContaining("the column kind must hold a number"),
  ]);
  expect(runOf(client)).toBe(before);
  expect((await post({ task: "regression", text: "text", label: "kind" })).status).toBe(303);
  expect(runOf(client)).toContain("task: regression");
  expect(runOf(client)).toContain("labelColumn: [label]");
  const command = /init rows\/rows\.jsonl [^<]*/.exec(await client.page(page))![0];
  expect(command).toContain("--task=regression");
});

test("the model, the method and all else of the run stay when its rows change", async () => {
  const client = await openStudio();
  writeFileSync(join(client.folder, "run.yaml"), "# mine\nmodel: some/model\nmethod: dora\nlearningRate: 0.001\n");
  await added(client, "rows.csv", csv(textRows(60)));
  const run = runOf(client);
  for (const line of [
    "# mine",
    "model: some/model",
    "method: dora",
    "learningRate: 0.001",
    "task: sequence-classification",
  ])
    expect(run).toContain(line);
});

test("the command line that is shown makes the same run file", async () => {
  const client = await openStudio();
  writeFileSync(join(client.folder, "run.yaml"), "model: some/model\nlearningRate: 0.001\n");
  const page = await added(client, "rows.csv", csv(textRows(60)));
  await client.post("/data/split", { file: "rows.jsonl", validation: "20", test: "0" }, page);
  await until(client, page, "The next run uses them.");
  const [program, ...own] = ownCommand;
  const checkCommand = async (...parts: readonly string[]) => {
    const shown = await client.page("/data");
    const command = /<pre id="command-text"[^>]*>npx bidora ([^<]*)<\/pre>/.exec(shown)![1]!;
    for (const part of parts) expect(command).toContain(part);
    const before = yaml().parse(runOf(client));
    execFileSync(program!, [...own, ...command.split(" ")], { cwd: client.folder, stdio: "ignore" });
    expect(yaml().parse(runOf(client))).toEqual(before);
  };
  await checkCommand("init rows/rows-train.jsonl --no-estimate --yes --overwrite", "--learning-rate=0.001");
  await client.post("/data/columns", {
    file: "rows-train.jsonl",
    before: "sequence-classification",
    task: "causal-lm",
  });
  await checkCommand("--task=causal-lm", "--model=some/model");
});

test("init is not shown where it would find what was taken out of the run file", async () => {
  const client = await openStudio();
  await added(client, "rows.csv", csv(textRows(60)));
  const shown = async () =>
    /<pre id="command-text"[^>]*>npx bidora ([^<]*)<\/pre>/.exec(await client.page("/data"))![1]!;
  expect(await shown()).toContain("init rows/rows.jsonl");
  const [, line = ""] = /^(holdoutFraction: .*\n)/m.exec(runOf(client)) ?? [];
  writeFileSync(join(client.folder, "run.yaml"), runOf(client).replace(line, ""));
  expect(line).not.toBe("");
  expect(await shown()).toBe("preview run.yaml");
  writeFileSync(join(client.folder, "run.yaml"), runOf(client) + line.replace("0.1", "0.2"));
  expect(await shown()).toContain("--holdout-fraction=0.2");
});

test("the model that was suggested for a task changes with the task", async () => {
  const client = await openStudio();
  await added(client, "rows.csv", csv(textRows(60)));
  expect(runOf(client)).toContain("model: sentence-transformers/all-MiniLM-L6-v2");
  await client.post("/data/columns", { file: "rows.jsonl", before: "sequence-classification", task: "causal-lm" });
  expect(runOf(client)).toContain("model: HuggingFaceTB/SmolLM2-135M");
});

test("a Parquet file becomes rows, and a file whose import was cut off can be read again", async () => {
  const client = await openStudio();
  const parquet = readFileSync(join(GOLDEN, "data", "hub", "glue", "mrpc", "validation-00000-of-00001.parquet"));
  const page = await added(client, "mrpc.parquet", parquet);
  expect(rowsIn(client, "mrpc.jsonl")[0]).toMatchObject({ sentence1: expect.any(String), label: expect.any(Number) });
  await client.page(page);
  const bytes = readFileSync(join(GOLDEN, "data", "bytes.parquet"));
  await added(client, "bytes.parquet", bytes);
  writeFileSync(join(client.folder, "rows", "cut.csv"), csv(textRows(5)));
  expect(await client.page("/data?file=cut.csv")).toContain("The rows of this file have not been read yet.");
  const answer = await client.post("/data/convert", { file: "cut.csv" });
  expect(answer.headers.get("location")).toBe("/data?file=cut.jsonl");
  await until(client, "/data?file=cut.jsonl", 'id="rows-box"');
  writeFileSync(join(client.folder, "rows", "bare.csv"), "one,1\ntwo,0\n");
  expect(await client.page("/data?file=bare.csv")).toContain('id="rows-first-convert"');
  await client.post("/data/convert", { file: "bare.csv", rowsFirst: "on" });
  await until(client, "/data?file=bare.jsonl", 'id="rows-box"');
  expect(rowsIn(client, "bare.jsonl")[0]).toEqual({ column1: "one", column2: "1" });
  // What was in the folder stays there if it can't be read.
  writeFileSync(join(client.folder, "rows", "bad.csv"), "a,b\n1\n");
  await client.post("/data/convert", { file: "bad.csv" });
  await until(client, "/data", "Failed: rows/bad.csv line 2: 1 column, but the header has 2.");
  expect(filesIn(client)).toContain("bad.csv");
});

test("addresses of files and rows that are not there are answered with a page or a sentence", async () => {
  const client = await openStudio();
  await added(client, "rows.jsonl", jsonl(textRows(4)));
  expect(await client.page("/data?file=none.jsonl")).toContain("Drop files here");
  const none = await client.get("/data/rows?file=none.jsonl&from=0&to=4");
  expect(await none.text()).toBe("There is no file rows/none.jsonl.");
  const outside = await client.get(`/data?file=${encodeURIComponent("../run.yaml")}`);
  expect(await outside.text()).toMatch(/role="alert"><p class="problem">..\/run.yaml can&#39;t be a name here/);
  expect(await client.page("/data?file=rows.jsonl&row=99")).toContain("The file has no row in line 99.");
});
