// The screen Data: rows that are mended, and split into parts.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseHTML } from "linkedom";
import { expect, test } from "vitest";
import { type Client, openStudio, until } from "./support.js";

const jsonl = (rows: readonly object[]): string => rows.map((row) => `${JSON.stringify(row)}\n`).join("");
const rowsIn = ({ folder }: Client, name: string): { text: string; label: string }[] =>
  readFileSync(join(folder, "rows", name), "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
const runOf = ({ folder }: Client): string => readFileSync(join(folder, "run.yaml"), "utf8");

async function withRows(rows: readonly object[]): Promise<Client> {
  const client = await openStudio();
  await client.upload("/data/upload?name=rows.jsonl", jsonl(rows));
  await until(client, "/data?file=rows.jsonl", 'id="rows-box"');
  await until(client, "/data?file=rows.jsonl", "Task and columns");
  return client;
}

const messages = (count: number) =>
  Array.from({ length: count }, (_, i) => ({ text: `message number ${i}`, label: i % 10 ? "ham" : "spam" }));

test("a mended row is in a new file, which the run uses in place of the old one", async () => {
  const rows = messages(60);
  const client = await withRows(rows);
  const page = await client.page("/data?file=rows.jsonl&row=7");
  expect(page).toContain("Line 7 of rows.jsonl");
  expect(page).toContain('href="/data?file=rows.jsonl&amp;row=6"');
  const save = (fields: Record<string, string>, file = "rows.jsonl") =>
    client.post("/data/row", { file, row: "7", ...fields }, `/data?file=${file}&row=7`);
  const saved = await save({ "value:text": "better\r\nwords", "value:label": "spam" });
  expect(saved.headers.get("location")).toBe("/data?file=rows-2.jsonl&row=7");
  expect(rowsIn(client, "rows.jsonl")).toEqual(rows);
  expect(rowsIn(client, "rows-2.jsonl")).toEqual(rows.with(6, { text: "better\nwords", label: "spam" }));
  expect(runOf(client)).toContain("train: rows/rows-2.jsonl");
  await until(client, "/data?file=rows-2.jsonl", 'id="rows-box"');
  // Without a change there is no other file.
  expect(
    (await save({ "value:text": "better\nwords", "value:label": "spam" }, "rows-2.jsonl")).headers.get("location"),
  ).toBe("/data?file=rows-2.jsonl&row=7");
});

test("further rows of a file are mended in its newest copy, wherever they are opened", async () => {
  const rows = messages(60);
  const client = await withRows(rows);
  const mend = async (row: string, fields: Record<string, string>, file = "rows.jsonl") => {
    const answer = await client.post("/data/row", { file, row, ...fields }, `/data?file=${file}&row=${row}`);
    return answer.headers.get("location");
  };
  expect(await client.page("/data?file=rows.jsonl&row=1")).toContain("which the run then uses in its place");
  // The first and the last row.
  expect(await mend("1", { "value:text": "new" })).toBe("/data?file=rows-2.jsonl&row=1");
  const page = await until(client, "/data?file=rows.jsonl&row=60", "Line 60 of rows-2.jsonl");
  expect(page).toContain("Rows of rows.jsonl have been mended");
  expect(page).toContain('name="file" value="rows-2.jsonl"');
  expect(await mend("60", { "value:label": "spam" })).toBe("/data?file=rows-3.jsonl&row=60");
  const both = rows.with(0, { text: "new", label: "spam" }).with(59, { text: "message number 59", label: "spam" });
  expect(rowsIn(client, "rows-3.jsonl")).toEqual(both);
  expect(runOf(client)).toContain("train: rows/rows-3.jsonl");
  // A form that was opened before changes only what was typed in it.
  await until(client, "/data?file=rows-3.jsonl", 'id="rows-box"');
  expect(await mend("1", { "value:text": "message number 0", "value:label": "ham" })).toBe(
    "/data?file=rows-4.jsonl&row=1",
  );
  expect(rowsIn(client, "rows-4.jsonl")[0]).toEqual({ text: "new", label: "ham" });
  // Where the run uses another file, it stays with that.
  await client.post("/data/use", { file: "rows.jsonl", part: "train" });
  const unused = await until(client, "/data?file=rows.jsonl&row=2", "Line 2 of rows-4.jsonl");
  expect(unused).toContain("The run does not use rows-4.jsonl");
  expect(unused).not.toContain("which the run then uses");
  expect(await mend("2", { "value:text": "other" })).toBe("/data?file=rows-5.jsonl&row=2");
  expect(runOf(client)).toContain("train: rows/rows.jsonl");
  // Another file in the place of a copy is none.
  writeFileSync(join(client.folder, "rows", "rows-2.jsonl"), jsonl(rows.slice(1)));
  await until(client, "/data?file=rows.jsonl&row=2", "Line 2 of rows.jsonl");
  expect(await client.page("/data")).not.toContain("mended.json");
});

test("what is not changed in a row stays as it is written", async () => {
  const line = String.raw`{ "text":"one\r\ntwo \u00e9", "label":"two\nlines","id": 12345678901234567890, "score": 1.0, "more": {"a": [1e2, "}, \"b\": 3"]}, "none": null }`;
  const client = await openStudio();
  await client.upload("/data/upload?name=rows.jsonl", `${line}\n${jsonl(messages(30))}`);
  const page = await until(client, "/data?file=rows.jsonl&row=1", "Line 1 of rows.jsonl");
  const fields = [...parseHTML(page).document.querySelectorAll('[name^="value:"]')];
  expect(fields.map(({ localName }) => localName)).toEqual(fields.map(() => "textarea"));
  // As a browser sends them.
  const sent = Object.fromEntries(
    fields.map((field) => [
      field.getAttribute("name")!,
      field.textContent
        .replace(/^\n/, "")
        .replaceAll("&quot;", '"')
        .replace(/\r\n?|\n/g, "\r\n"),
    ]),
  );
  expect(sent["value:id"]).toBe("12345678901234567890");
  let file = "rows.jsonl";
  const save = async (fields: Record<string, string>) => {
    const answer = await client.post("/data/row", { file, row: "1", ...sent, ...fields }, `/data?file=${file}&row=1`);
    file = /file=([^&]+)/.exec(answer.headers.get("location")!)![1]!;
    await until(client, `/data?file=${file}&row=1`, `Line 1 of ${file}`);
    return readFileSync(join(client.folder, "rows", file), "utf8").split("\n", 1)[0];
  };
  expect(await save({})).toBe(line);
  expect(file).toBe("rows.jsonl");
  sent["value:text"] = "one\r\nthree";
  const changed = line.replace(String.raw`two \u00e9`, "three");
  expect(await save({})).toBe(changed);
  sent["value:id"] = "12345678901234567891";
  expect(await save({ "value:more": '{\r\n"a": 2}', "value:new": "x" })).toBe(
    `${changed
      .replace("567890,", "567891,")
      .replace(/\{"a".*?\}(?=, "none)/, '{"a":2}')
      .replace(/ \}$/, "")}, "new": "x"}`,
  );
});

test("a number in a name is that of a copy only beside the file without it", async () => {
  const client = await openStudio();
  for (const [file, more, mended] of [
    ["sales-2024.jsonl", [], "sales-2024-2.jsonl"],
    ["costs-7.jsonl", ["costs.jsonl"], "costs-2.jsonl"],
  ] as const) {
    for (const name of [file, ...more]) await client.upload(`/data/upload?name=${name}`, jsonl(messages(30)));
    await until(client, `/data?file=${file}&row=1`, `Line 1 of ${file}`);
    const answer = await client.post("/data/row", { file, row: "1", "value:text": "new" });
    expect(answer.headers.get("location")).toBe(`/data?file=${mended}&row=1`);
  }
});

test("a line that can't be read is mended as it is written", async () => {
  const client = await withRows(messages(60));
  const line = '{"text": "a", "label": "ham", "label": "spam"}';
  writeFileSync(join(client.folder, "rows", "own.jsonl"), `${jsonl(messages(3))}${line}\n`);
  const page = await until(client, "/data?file=own.jsonl&row=4", "Line 4 of own.jsonl");
  expect(page).toContain(`name="line">${line.replaceAll('"', "&quot;")}</textarea>`);
  const save = (typed: string) => client.post("/data/row", { file: "own.jsonl", row: "4", line: typed });
  for (const [typed, sentence] of [
    [`${line} `.replace("ham", "eggs"), 'line 4: an object has the key "label" twice'],
    ['"a"', "line 4: expected a JSON object"],
  ] as const) {
    const refused = await save(typed);
    expect([refused.status, parseHTML(await refused.text()).document.querySelector("#problem")?.textContent]).toEqual([
      422,
      expect.stringContaining(sentence),
    ]);
  }
  expect((await save('{"text": "a", "label": "spam"}')).headers.get("location")).toBe("/data?file=own-2.jsonl&row=4");
  expect(rowsIn(client, "own-2.jsonl").at(-1)).toEqual({ text: "a", label: "spam" });
});

test("a row that the task would refuse is not saved", async () => {
  const client = await withRows([...messages(59), { text: "a text", label: 5, score: 1.5 }]);
  const save = (fields: Record<string, string>) =>
    client.post("/data/row", { file: "rows.jsonl", row: "60", ...fields }, "/data?file=rows.jsonl&row=60");
  const refused = await save({ "value:score": "1,5" });
  expect([refused.status, await refused.text()]).toEqual([
    422,
    expect.stringContaining("The value of score is not valid JSON"),
  ]);
  const label = await save({ "value:label": "1.5" });
  expect([label.status, await label.text()]).toEqual([422, expect.stringContaining("whole number, but holds 1.5.")]);
  const page = await client.post("/data/row", { file: "rows.jsonl", row: "99" }, "/data?file=rows.jsonl&row=60");
  expect(await page.text()).toContain("The file has no row in line 99.");
  expect((await save({ "value:score": "2.5" })).headers.get("location")).toBe("/data?file=rows-2.jsonl&row=60");
  expect(rowsIn(client, "rows-2.jsonl").at(-1)).toEqual({ text: "a text", label: 5, score: 2.5 });
});

test("a split has each label in proportion, equal inputs in one part, and is used by the run", async () => {
  const rows = [...messages(200), ...messages(20), { text: "", label: "ham" }];
  const client = await withRows(rows);
  const fields = { file: "rows.jsonl", validation: "10", test: "20", seed: "3" };
  expect((await client.post("/data/split", fields)).status).toBe(303);
  const done = await until(client, "/data?file=rows.jsonl", "The next run uses them.");
  expect(done).toContain("rows in rows/rows-train.jsonl");
  const parts = ["train", "validation", "test"].map((part) => rowsIn(client, `rows-${part}.jsonl`));
  expect(parts.flat()).toHaveLength(rows.length);
  const texts = parts.map((part) => new Set(part.map(({ text }) => text)));
  expect(texts[0]!.size + texts[1]!.size + texts[2]!.size).toBe(201);
  for (const [i, share] of [0.7, 0.1, 0.2].entries())
    for (const [label, count] of [
      ["spam", 22],
      ["ham", 199],
    ] as const)
      expect(Math.abs(parts[i]!.filter((row) => row.label === label).length - share * count)).toBeLessThanOrEqual(2);
  for (const line of [
    "train: rows/rows-train.jsonl",
    "validation: rows/rows-validation.jsonl",
    "test: rows/rows-test.jsonl",
  ])
    expect(runOf(client)).toContain(line);
  expect(runOf(client)).not.toContain("holdoutFraction");
  expect(rowsIn(client, "rows.jsonl")).toEqual(rows);
  const checked = await until(client, "/data?file=rows-train.jsonl", 'id="rows-box"');
  expect(checked).toMatch(/id="filter-leaked"[^>]*>[^<]*<span class="count">0</);
});

test("a split leaves out what is ticked, and is refused without rows to train on", async () => {
  const rows = [...messages(100), ...messages(10), { text: " ", label: "ham" }, { text: "no label" }];
  const client = await withRows(rows);
  const post = (fields: string) =>
    client.post(`/data/split`, Object.fromEntries(new URLSearchParams(`file=rows.jsonl&${fields}`)));
  for (const [fields, sentence] of [
    ["validation=95&test=0", "must be a number from 0 to 90 (in %); got 95"],
    ["validation=60&test=40", "more than 90 % of the rows together"],
    ["validation=0&test=0", "Give a share for validation or test first."],
    ["validation=10&test=0&seed=-1", "The seed must be a whole number"],
  ] as const)
    expect([(await post(fields)).status, await (await post(fields)).text()]).toEqual([
      422,
      expect.stringContaining(sentence),
    ]);
  const body = "file=rows.jsonl&validation=10&test=0&seed=0&remove=duplicate&remove=empty&remove=unlabeled";
  const { origin, cookie } = client;
  await fetch(`${origin}/data/split`, {
    method: "POST",
    body: new URLSearchParams(body),
    headers: { cookie, origin },
    redirect: "manual",
  });
  const done = await until(client, "/data?file=rows.jsonl", "The next run uses them.");
  expect(done).toContain("90 rows in rows/rows-train.jsonl, 10 rows in rows/rows-validation.jsonl; 12 left out");
  const kept = [...rowsIn(client, "rows-train.jsonl"), ...rowsIn(client, "rows-validation.jsonl")];
  expect(kept.map(({ text }) => text).sort()).toEqual(
    messages(100)
      .map(({ text }) => text)
      .sort(),
  );
  expect(runOf(client)).not.toContain("test:");
});
