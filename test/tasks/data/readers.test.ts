import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { BidoraError } from "../../../src/base/errors.js";
import { readParquet } from "../../../src/tasks/data/files/parquet.js";
import { readCsv, readPlainTsv, readTsv } from "../../../src/tasks/data/files/tableFiles.js";
import { namedDatasets } from "../../../src/tasks/datasets/index.js";
import { loadExamples } from "./loadExamples.js";

const folder = mkdtempSync(join(tmpdir(), "bidora-data-"));

function file(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

/** The message of the one-sentence error, with the folder left out. */
async function fault(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => undefined,
    (e: unknown) => e,
  );
  expect(error).toBeInstanceOf(BidoraError);
  return (error as BidoraError).message.replaceAll(`${folder}/`, "");
}

const classify = { task: "sequence-classification" } as const;
const tag = { task: "token-classification" } as const;

describe("CSV and TSV", () => {
  it("quoted fields can contain quotes and line breaks, and line numbers count these", async () => {
    const path = file("quotes.csv", '\uFEFFtext,label\r\n"a, ""b""\r\nc",1\r\n\r\nd,"0"\r\n');
    const { columns, rows } = await readCsv(path);
    expect(columns).toEqual(["text", "label"]);
    expect(rows).toEqual([
      { line: 2, values: { text: 'a, "b"\r\nc', label: "1" } },
      { line: 5, values: { text: "d", label: "0" } },
    ]);
  });

  it("errors name the line", async () => {
    const short = file("short.csv", 'text,label\n"a\nb",1\n\nc\n');
    expect(await fault(readCsv(short))).toBe("short.csv line 5: 1 column, but the header has 2.");
    const open = file("open.csv", 'text,label\na,1\n"b,0\nc,1\n');
    expect(await fault(readCsv(open))).toBe("open.csv line 3: a quote is opened in this row and never closed.");
    const stray = file("stray.csv", 'text,label\na,1\nsay "b",0\n');
    expect(await fault(readCsv(stray))).toContain("stray.csv line 3: a field contains a quote");
    expect(await fault(readCsv(file("twice.csv", "a,a\n1,2\n")))).toContain('has the column "a" twice');
    expect(await fault(readCsv(file("header.csv", "text,label\n")))).toContain("header.csv is empty");
  });

  it("rows with more columns than the header are refused, rows with fewer unless they are to be skipped", async () => {
    const more = file("more.tsv", "text\tlabel\na\t1\nb\t0\tc\n");
    const wide = "more.tsv line 3: 3 columns, but the header has 2.";
    for (const read of [readPlainTsv, readTsv]) expect(await fault(read(more))).toBe(wide);
    expect(await fault(readPlainTsv(more, { skipShortRows: true }))).toBe(wide);
    const fewer = file("fewer.tsv", "text\tlabel\na\t1\nb\n");
    expect(await fault(readPlainTsv(fewer))).toBe("fewer.tsv line 3: 1 column, but the header has 2.");
    expect((await readPlainTsv(fewer, { skipShortRows: true })).rows).toHaveLength(1);
    const none = file("none.tsv", "text\tlabel\nb\n");
    expect(await fault(readPlainTsv(none, { skipShortRows: true }))).toContain("none.tsv is empty");
  });

  it("quotes in TSV follow CSV's rules where all of a file's do, else they are characters", async () => {
    const texts = async (content: string) => {
      const { rows } = await readTsv(file("quotes.tsv", content));
      return rows.map((row) => row.values.text);
    };
    expect(await texts('text\tlabel\n"a\tb"\t1\n"c\nd"\t0\n"e"\t0\n')).toEqual(["a\tb", "c\nd", "e"]);
    expect(await texts('text\tlabel\n" a b " c\t1\n"d"\t0\n')).toEqual(['" a b " c', '"d"']);
    expect(await texts('text\tlabel\n"a\t1\nb"\t0\n')).toEqual(['"a', 'b"']);
    const broken = file("broken.tsv", 'text\tlabel\n" a " b\t1\nc\t0\nd\n');
    expect(await fault(readTsv(broken))).toBe("broken.tsv line 4: 1 column, but the header has 2.");
  });
});

describe("text files", () => {
  it("a missing, empty or non-UTF-8 file is refused", async () => {
    expect(await fault(loadExamples(join(folder, "none.jsonl"), classify))).toBe(
      "none.jsonl does not exist: check the path.",
    );
    expect(await fault(loadExamples(file("empty.jsonl", "\n"), classify))).toContain("empty.jsonl is empty");
    expect(await fault(loadExamples(file("empty.parquet", ""), classify))).toContain("empty.parquet is empty");
    const latin = Buffer.from('{"text":"a","label":1}\n{"text":"Mädchen","label":1}\n', "latin1");
    expect(await fault(loadExamples(file("latin.jsonl", latin), classify))).toContain(
      "latin.jsonl line 2: byte 0xE4 is not UTF-8",
    );
    const wide = Buffer.from('\uFEFF{"text":"a"}', "utf16le");
    expect(await fault(loadExamples(file("wide.jsonl", wide), classify))).toContain("UTF-16");
    expect(await fault(loadExamples(file("rows.xlsx", "x"), classify))).toContain(
      ".jsonl, .json, .csv, .tsv, .parquet",
    );
  });

  it("JSONL lines must be objects", async () => {
    const lines = (second: string) => file("rows.jsonl", `{"text":"a","label":1}\r\n${second}\r\n`);
    expect(await fault(loadExamples(lines('{"text":'), classify))).toContain("rows.jsonl line 2: not valid JSON");
    expect(await fault(loadExamples(lines('"text"'), classify))).toContain("rows.jsonl line 2: expected a JSON object");
    expect(await fault(loadExamples(file("array.json", '[{"text":"a"}]'), classify))).toContain("array begins");
  });

  it("a key that occurs twice in a JSON object is refused, in nested objects too", async () => {
    const row = (json: string) => file("keys.jsonl", `{"text":"a","label":1}\n${json}\n`);
    for (const json of [
      '{"text":"a","label":1,"label":2}',
      '{"text":"a","label":1,"l\\u0061bel":1}',
      '{"text":"a","more":[{"label":1,"x":"\\\\","label":{"label":1}}],"label":1}',
      '{"text":"\\"","label":1,"label":"\\""}',
    ])
      expect(await fault(loadExamples(row(json), classify))).toBe(
        'keys.jsonl line 2: an object has the key "label" twice: remove one of them.',
      );
    const once = '{"text":"\\"label\\":1, \\\\","label":"a:\\"","more":[{"label":[]},{"label":null}],"":"\\\\\\""}';
    expect((await loadExamples(row(once), classify)).examples).toHaveLength(2);
  });

  it("files with CR line ends are refused in every format", async () => {
    const wrong = "line 1: its lines end with CR, but LF or CRLF is expected";
    for (const content of ["text,label\ra,1\rb,0\r", "text,label\ra,1\rb,0", "text,label\ra,1\rb,0\n"])
      expect(await fault(loadExamples(file("mac.csv", content), classify))).toContain(`mac.csv ${wrong}`);
    expect(await fault(loadExamples(file("mac.jsonl", '{"text":"a"}\r{"text":"b"}'), classify))).toContain(wrong);
    expect(await fault(loadExamples(file("mac.conll", "a O\rb O\r"), tag))).toContain(wrong);
    const last = await loadExamples(file("last.jsonl", '{"text":"a","label":1}\r'), classify);
    expect(last.examples).toHaveLength(1);
    const inside = await loadExamples(file("inside.csv", 'text,label\n"a\rb",1\n'), classify);
    expect(inside.examples[0]?.input).toEqual(["a\rb"]);
  });
});

describe("Parquet", () => {
  const golden = (name: string) => fileURLToPath(new URL(`../../golden/data/${name}.parquet`, import.meta.url));

  it.each(["none", "snappy", "gzip", "zstd", "brotli", "lz4"])("Parquet compressed by %s is read", async (name) => {
    const { columns, rows } = await readParquet(golden(name));
    expect(columns).toEqual(["sentence1", "sentence2", "label", "score", "tokens", "ner_tags"]);
    expect(rows.length).toBe(15);
    expect(rows[14]).toEqual({
      line: 15,
      values: {
        sentence1: "line\nbreak",
        sentence2: "drei",
        label: 2,
        score: 4.75,
        tokens: ["on", "the", "mat"],
        ner_tags: [2, 0, 0],
      },
    });
  });

  it("Parquet files have rows of texts and of words", async () => {
    const texts = await loadExamples(golden("snappy"), classify);
    expect(texts.examples[0]).toMatchObject({ input: ["Ein Mädchen 😀", "eins"], label: 0 });
    const words = await loadExamples(golden("snappy"), tag);
    expect(words.examples[2]).toMatchObject({ input: ["on", "the", "mat"], label: ["2", "0", "0"] });
  });

  it("64-bit integers are read exactly at any depth, and refused beyond 2^53", async () => {
    const { rows } = await readParquet(golden("integers"));
    expect(rows[0]?.values).toEqual({
      text: "a",
      label: 9007199254740991,
      id: 2n ** 53n + 1n,
      struct: { id: -3, deep: [{ n: 4 }] },
      date: new Date("2024-02-29"),
    });
    expect((await loadExamples(golden("integers"), classify)).examples[0]?.label).toBe(9007199254740991);
    const read = (column: string) => loadExamples(golden("integers"), { ...classify, labelColumns: [column] });
    expect(await fault(read("id"))).toMatch(
      /integers.parquet line 1: the column id must hold a label's name or whole number, but holds 9007199254740993: whole numbers are exact up to 9007199254740991 only/,
    );
    expect(await fault(read("struct"))).toContain(
      'line 1: the column struct must hold a label\'s name or whole number, but holds {"id":-3,"deep":[{"n":4}]}',
    );
    expect(
      await fault(loadExamples(golden("integers"), { task: "multi-label-classification", labelColumns: ["struct"] })),
    ).toContain("line 1: the column struct must hold a list of strings");
    expect(await fault(loadExamples(golden("integers"), { task: "regression", labelColumns: ["id"] }))).toContain(
      "line 1: the column id must hold a number, but holds 9007199254740993",
    );
  });

  it("bytes that are not UTF-8 are refused only where they are read as text", async () => {
    const { rows } = await readParquet(golden("bytes"));
    expect(rows.slice(0, 2).map(({ values }) => values.text)).toEqual(["a", "\uFEFFb"]);
    expect(await fault(loadExamples(golden("bytes"), classify))).toContain(
      "bytes.parquet line 3: the column text must hold a string, but holds bytes that are not UTF-8 text.",
    );
    const read = loadExamples(golden("bytes"), { task: "regression", labelColumns: ["picture"] });
    expect(await fault(read)).toContain("must hold a number, but holds bytes that are not UTF-8 text");
  });

  it("a damaged Parquet file is refused", async () => {
    expect(await fault(readParquet(golden("twice")))).toContain('twice.parquet has the column "label" twice');
    expect(await fault(readParquet(file("bad.parquet", "PAR1 not at all")))).toContain(
      "bad.parquet is not a valid Parquet file: parquet file invalid (footer != PAR1).",
    );
    const bytes = readFileSync(golden("none"));
    const damaged = file("pages.parquet", bytes.fill(0xff, 4, 40));
    expect(await fault(readParquet(damaged))).toMatch(/pages\.parquet is not a valid Parquet file: it is damaged\.$/);
  });
});

describe("CoNLL columns", () => {
  it("columns are separated by spaces, -DOCSTART- lines skipped, and the label column can be chosen", async () => {
    const path = file(
      "ner.conll",
      "-DOCSTART- -X- O O\n\nEU NNP B-NP B-ORG\nrejects VBZ B-VP O\n\n\nPeter NNP I-NP B-PER",
    );
    const { examples } = await loadExamples(path, tag);
    expect(examples).toEqual([
      { input: ["EU", "rejects"], label: ["B-ORG", "O"], at: { file: path, line: 3 } },
      { input: ["Peter"], label: ["B-PER"], at: { file: path, line: 7 } },
    ]);
    const pos = await loadExamples(path, { ...tag, labelColumns: ["2"] });
    expect(pos.examples[0]).toMatchObject({ label: ["NNP", "VBZ"] });
    expect(await fault(loadExamples(path, { ...tag, labelColumns: ["5"] }))).toContain(
      "4 columns, so the label can't be in column 5",
    );
    expect(await fault(loadExamples(path, { ...tag, labelColumns: ["ner"] }))).toContain("as a number");
  });

  it("errors name the line", async () => {
    const path = file("bad.conll", "a\tO\nb\n");
    expect(await fault(loadExamples(path, tag))).toBe("bad.conll line 2: 1 column, but the lines before have 2.");
  });

  it("a file with only words has rows to predict", async () => {
    const path = file("words.txt", "a\nb\n\nc\n");
    const { examples } = await loadExamples(path, { ...tag, labels: "optional" });
    expect(examples).toMatchObject([{ input: ["a", "b"], label: undefined }, { input: ["c"] }]);
    expect(await fault(loadExamples(path, tag))).toContain("has only a column of words");
  });
});

describe("CoNLL-U", () => {
  const row = (id: string, form: string, upos: string) =>
    [id, form, form, upos, "X", "_", "0", "root", "_", "_"].join("\t");

  it("multiword tokens and empty nodes are skipped", async () => {
    const rows = [
      "# text = zum Haus",
      row("1-2", "zum", "_"),
      row("1", "zu", "ADP"),
      row("2", "dem", "DET"),
      row("2.1", "x", "_"),
    ];
    const path = file("a.conllu", `${rows.join("\n")}\n\n${row("1", "#", "SYM")}\n\n`);
    const { examples } = await loadExamples(path, tag);
    expect(examples).toEqual([
      { input: ["zu", "dem"], label: ["ADP", "DET"], at: { file: path, line: 3 } },
      { input: ["#"], label: ["SYM"], at: { file: path, line: 7 } },
    ]);
    const deprel = await loadExamples(path, { ...tag, labelColumns: ["deprel"] });
    expect(deprel.examples[1]).toMatchObject({ label: ["root"] });
    expect(await fault(loadExamples(path, { ...tag, labelColumns: ["pos"] }))).toContain("id, form, lemma, upos, xpos");
  });

  it("errors name the line", async () => {
    const path = file("bad.conllu", `${row("1", "a", "X")}\n2\tb\n`);
    expect(await fault(loadExamples(path, tag))).toContain("bad.conllu line 2: 2 columns");
    expect(await fault(loadExamples(file("id.conllu", row("one", "a", "X")), tag))).toContain(
      'line 1: "one" is not a word number',
    );
  });
});

describe("columns", () => {
  const jsonl = (...rows: unknown[]) => file("columns.jsonl", rows.map((row) => JSON.stringify(row)).join("\n"));

  it("columns are found by their usual names, or given", async () => {
    const pair = { text: "x", premise: "p", hypothesis: "h", label: "yes", other: "o", wrong: 3 };
    const path = jsonl(pair);
    const texts = async (textColumns?: string[]) =>
      (await loadExamples(path, { ...classify, textColumns })).examples[0]?.input;
    expect(await texts()).toEqual(["p", "h"]);
    expect(await texts(["other"])).toEqual(["o"]);
    expect(await fault(texts(["tekst"]))).toBe(
      "columns.jsonl has no column tekst; its columns are text, premise, hypothesis, label, other, wrong.",
    );
    expect(await fault(texts(["wrong"]))).toBe(
      "columns.jsonl line 1: the column wrong must hold a string, but holds 3.",
    );
    expect(await fault(loadExamples(jsonl({ a: "b" }), classify))).toContain(
      "the columns are a: name one with --text-columns",
    );
    expect(await fault(loadExamples(jsonl({ text: "b" }), classify))).toContain("name one with --label-column");
  });

  it("columns can be named like members of every object", async () => {
    const path = file("object.jsonl", '{"__proto__":"a","constructor":"x"}\n{"__proto__":"b"}\n');
    const columns = { textColumns: ["__proto__"], labelColumns: ["constructor"] };
    const { examples } = await loadExamples(path, { ...classify, ...columns, labels: "optional" });
    expect(examples.map((e) => [(e.input as string[])[0], e.label])).toEqual([
      ["a", "x"],
      ["b", undefined],
    ]);
    expect(await fault(loadExamples(path, { ...classify, ...columns }))).toContain(
      "object.jsonl: 1 of 2 rows has no label in the column constructor (line 2)",
    );
  });

  it("a label can be missing only in rows to predict", async () => {
    const path = jsonl({ text: "a", label: "x" }, { text: "b" });
    const { examples } = await loadExamples(path, { ...classify, labels: "optional" });
    expect(examples.map((e) => e.label)).toEqual(["x", undefined]);
    expect(await fault(loadExamples(path, classify))).toContain("columns.jsonl: 1 of 2 rows has no label");
  });

  it("texts with half a surrogate pair are refused", async () => {
    const half = "has a lone surrogate, half of a character, such as \\ud83d: correct the text.";
    expect(await fault(loadExamples(jsonl({ text: "a\ud83d", label: "x" }), classify))).toContain(
      `line 1: the column text ${half}`,
    );
    const words = jsonl({ tokens: ["a", "\ude00"], labels: ["O", "O"] });
    expect(await fault(loadExamples(words, { task: "token-classification" }))).toContain(`the column tokens ${half}`);
    expect((await loadExamples(jsonl({ text: "\u{1F600}", label: "x" }), classify)).examples).toHaveLength(1);
  });

  it("labels are read as names, lists, flags and numbers", async () => {
    const multi = { task: "multi-label-classification" } as const;
    const lists = await loadExamples(jsonl({ text: "a", labels: ["x", "y"] }, { text: "b", labels: [] }), multi);
    expect(lists.examples.map((e) => e.label)).toEqual([["x", "y"], []]);
    for (const labels of [
      [1, 0, 1],
      ["1", "0", 0],
      ["x", "x"],
    ])
      expect(await fault(loadExamples(jsonl({ text: "a", labels: [] }, { text: "b", labels }), multi))).toMatch(
        /^columns.jsonl line 2: the column labels has the label "[01x]" twice: .*--label-column a,b,c/,
      );
    const flags = file("flags.csv", "text,b,a\nt,0,1\nu,1,1\n");
    const columns = await loadExamples(flags, { ...multi, labelColumns: ["b", "a"] });
    expect(columns.labelNames).toEqual(["a", "b"]);
    expect(columns.examples.map((e) => e.label)).toEqual([["a"], ["b", "a"]]);
    const bad = file("bad.csv", "text,b,a\nt,0,2\n");
    expect(await fault(loadExamples(bad, { ...multi, labelColumns: ["b", "a"] }))).toContain(
      'must hold 0 or 1, but holds "2"',
    );
    const scores = await loadExamples(file("scores.csv", "text,score\na,4.75\n"), { task: "regression" });
    expect(scores.examples).toMatchObject([{ label: 4.75 }]);
    expect(await fault(loadExamples(jsonl({ text: "a", label: "high" }), { task: "regression" }))).toContain(
      "must hold a number",
    );
    const endless = file("endless.jsonl", '{"text":"a","label":1e400}\n');
    expect(await fault(loadExamples(endless, { task: "regression" }))).toBe(
      "endless.jsonl line 1: the column label must hold a number, but holds Infinity: numbers are at most about 1.8e+308.",
    );
    const large = file("large.jsonl", '{"text":"a","label":9007199254740993}\n');
    expect(await fault(loadExamples(large, classify))).toContain(
      "but holds 9007199254740992: whole numbers are exact up to 9007199254740991 only",
    );
    expect(await fault(loadExamples(jsonl({ tokens: ["a", "b"], labels: ["O"] }), tag))).toContain(
      "1 labels for 2 words",
    );
    expect(
      await fault(loadExamples(jsonl({ text: "a", x: 1, y: 1 }), { ...classify, labelColumns: ["x", "y"] })),
    ).toContain("one label column");
  });
});

describe("GLUE", () => {
  const mrpc = (content: string) => {
    file("train.tsv", content);
    return namedDatasets["glue/mrpc"].load(folder, "train");
  };

  it("errors name the missing file and the line", async () => {
    const header = "Quality\t#1 ID\t#2 ID\t#1 String\t#2 String\n";
    expect(await fault(namedDatasets["glue/mrpc"].load(folder, "validation"))).toContain(
      "has no dev.tsv of GLUE's MRPC",
    );
    expect(await fault(mrpc(`${header}1\t1\t2\ta\tb\n2\t1\t2\ta\tb\n`))).toContain(
      'train.tsv line 3: the column Quality must hold one of 0, 1, but holds "2"',
    );
    expect(await fault(mrpc(`${header}1\t1\t2\ta\n`))).toContain("train.tsv line 2: 4 columns, but the header has 5");
    expect(await fault(mrpc("Quality\ttext\n1\ta\n"))).toContain("has no column #1 String");
  });

  it("QQP's broken rows are skipped", async () => {
    file(
      "train.tsv",
      "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n1\t1\t2\ta\tb\t1\n2\t3\t4\ttorn\n3\t5\t6\tc\td\t0\n",
    );
    const { examples } = await namedDatasets["glue/qqp"].load(folder, "train");
    expect(examples).toMatchObject([
      { label: "duplicate", at: { line: 2 } },
      { label: "not_duplicate", at: { line: 4 } },
    ]);
  });
});
