import { join } from "node:path";
import { describe, expect, it, test } from "vitest";
import { GOLDEN } from "../support.js";
import { csv, guessed, init, initFor, jsonl, refused, sentence, TWO } from "./initRows.js";

describe("tasks by their rows", () => {
  const classes = { task: "sequence-classification", textColumns: ["text"], labelColumn: ["label"] };

  test.each<[what: string, name: string, content: string, expected: object]>([
    ["words as labels", "a.csv", csv("text,label", TWO), classes],
    ["a byte-order mark and CRLF", "a.csv", `\uFEFF${csv("text,label", TWO).replaceAll("\n", "\r\n")}`, classes],
    ["yes and no", "a.csv", csv("text,label", (i) => `${sentence(i)},${i % 2 ? "yes" : "no"}`), classes],
    ["0 and 1", "a.csv", csv("text,label", (i) => `${sentence(i)},${i % 2}`), classes],
    ["codes with zeros in front", "a.csv", csv("text,label", (i) => `${sentence(i)},00${i % 30}.5`), classes],
    ["few whole numbers", "a.jsonl", jsonl((i) => ({ text: sentence(i), label: i % 5 })), classes],
    [
      "many whole numbers",
      "a.jsonl",
      jsonl((i) => ({ text: sentence(i), label: i })),
      { ...classes, task: "regression" },
    ],
    ["fractions", "a.csv", csv("text,label", (i) => `${sentence(i)},${i / 10}`), { ...classes, task: "regression" }],
    [
      "lists",
      "a.jsonl",
      jsonl((i) => ({ text: sentence(i), label: i % 2 ? ["a", "b"] : [] })),
      { ...classes, task: "multi-label-classification" },
    ],
    [
      "a pair",
      "a.tsv",
      csv("premise\thypothesis\tlabel", (i) => `${sentence(i)}\t${sentence(i + 1)}\t${i % 3}`),
      { ...classes, textColumns: ["premise", "hypothesis"] },
    ],
    [
      "other names",
      "a.csv",
      csv("id,Review,Sentiment", (i) => `${i},${TWO(i)}`),
      { ...classes, textColumns: ["Review"], labelColumn: ["Sentiment"] },
    ],
    ["an index without a name", "a.csv", csv(",text,label", (i) => `${i},${TWO(i)}`), classes],
    [
      "columns of 0 and 1",
      "a.csv",
      csv("text,rude,threat", (i) => `${sentence(i)},${i % 2},${i % 3 ? 0 : 1}`),
      { task: "multi-label-classification", textColumns: ["text"], labelColumn: ["rude", "threat"] },
    ],
    ["numbers as pandas writes them", "a.csv", csv("text,label", (i) => `${sentence(i)},${i % 2}.0`), classes],
    [
      "codes beside the texts",
      "a.csv",
      csv(
        "uuid,url,comment,topic",
        (i) => `00000000-0000-0000-0000-0000000000${i + 10},http://example.org/a/long/path/${i},${TWO(i)}`,
      ),
      { ...classes, textColumns: ["comment"], labelColumn: ["topic"] },
    ],
    [
      "Chinese",
      "a.csv",
      csv("id,評論,類別", (i) => `no${i},這艘船在雨中離開了港口${i},${i % 2 ? "好" : "壞"}`),
      { ...classes, textColumns: ["評論"], labelColumn: ["類別"] },
    ],
    [
      "names alone",
      "a.csv",
      csv("name,category", (i) => `apple${i},${i % 2 ? "good" : "bad"}`),
      { ...classes, textColumns: ["name"], labelColumn: ["category"] },
    ],
    [
      "SQuAD",
      "a.json",
      JSON.stringify({
        data: [
          {
            paragraphs: [{ context: "at 1", qas: [{ question: "where", answers: [{ text: "at", answer_start: 0 }] }] }],
          },
        ],
      }),
      { task: "question-answering" },
    ],
    [
      "Chinese texts alone",
      "a.csv",
      csv("編號,故事", (i) => `no${i},這艘船在雨中離開了港口${i}`),
      { task: "causal-lm", textColumns: ["故事"] },
    ],
    [
      "an index without a name beside texts",
      "a.csv",
      csv(",story", (i) => `${i % 2},${sentence(i)}`),
      { task: "causal-lm", textColumns: ["story"] },
    ],
    [
      "classes of several words",
      "a.csv",
      csv("comment,outcome", (i) => `${sentence(i)},it went very ${i % 2 ? "well" : "badly"}`),
      { ...classes, textColumns: ["comment"], labelColumn: ["outcome"] },
    ],
    [
      "a pair under other names",
      "a.csv",
      csv("title,body,topic", (i) => `${sentence(i)},${TWO(i)}`),
      { ...classes, textColumns: ["title", "body"], labelColumn: ["topic"] },
    ],
    [
      "conversations",
      "a.jsonl",
      jsonl((i) => ({ messages: [{ role: "user", content: sentence(i) }] })),
      { task: "causal-lm" },
    ],
    ["prompts", "a.jsonl", jsonl((i) => ({ prompt: sentence(i), completion: "yes" })), { task: "causal-lm" }],
    [
      "questions and answers with a label",
      "a.csv",
      csv("question,answer,label", (i) => `${sentence(i)},${sentence(i + 1)},${i % 2 ? "yes" : "no"}`),
      { task: "sequence-classification", textColumns: ["question", "answer"], labelColumn: ["label"] },
    ],
    [
      "questions and answers",
      "a.csv",
      csv("question,answer", (i) => `${sentence(i)},${sentence(i + 1)}`),
      { task: "causal-lm", textColumns: ["question", "answer"] },
    ],
    [
      "pairs",
      "a.jsonl",
      jsonl((i) => ({ anchor: sentence(i), positive: sentence(i + 1), negatives: [sentence(i + 2)] })),
      { task: "embedding" },
    ],
    [
      "documents with scores",
      "a.jsonl",
      jsonl((i) => ({ query: sentence(i), document: sentence(i + 1), label: i % 2 === 0 })),
      { task: "reranking" },
    ],
    [
      "preferences",
      "a.jsonl",
      jsonl((i) => ({ prompt: sentence(i), chosen: sentence(i + 1), rejected: sentence(i + 2) })),
      { task: "preference" },
    ],
    [
      "answers that are good or bad",
      "a.jsonl",
      jsonl((i) => ({ prompt: sentence(i), completion: sentence(i + 1), label: i % 2 === 0 })),
      { task: "preference", loss: "kto" },
    ],
    [
      "answers without a prompt",
      "a.jsonl",
      jsonl((i) => ({ chosen: sentence(i + 1), rejected: sentence(i + 2) })),
      { task: "reward" },
    ],
    ["texts alone", "a.jsonl", jsonl((i) => ({ text: sentence(i) })), { task: "causal-lm" }],
    [
      "texts under another name",
      "a.csv",
      csv("id,story", (i) => `${i},${sentence(i)}`),
      { task: "causal-lm", textColumns: ["story"] },
    ],
    [
      "words with tags",
      "a.jsonl",
      jsonl((i) => ({ tokens: ["a", String(i)], ner_tags: ["O", "B"], pos_tags: ["X", "Y"] })),
      { task: "token-classification", textColumns: ["tokens"], labelColumn: ["ner_tags"] },
    ],
    ["CoNLL columns", "a.conll", "The\tO\nboat\tB\n\nIt\tO\nleft\tO\n", { task: "token-classification" }],
    ["CoNLL columns in a .tsv", "a.tsv", "The\tO\nboat\tB\n\nIt\tO\nleft\tO\n", { task: "token-classification" }],
    [
      "four CoNLL columns",
      "a.txt",
      "The D I O\nboat N I B\n\nIt P I O\n",
      { task: "token-classification", labelColumn: ["4"] },
    ],
    [
      "answers in contexts",
      "a.jsonl",
      jsonl((i) => ({ question: "where", context: `at ${i}`, answers: { text: ["at"], answer_start: [0] } })),
      { task: "question-answering" },
    ],
  ])("%s", async (_, name, content, expected) => {
    expect(await guessed(name, content)).toEqual(expected);
  });

  it("reads Parquet", async () => {
    const hub = (file: string) => join(GOLDEN, "data", "hub", file);
    const { settings, stderr } = await initFor(hub("conll2003/train-00000-of-00001.parquet"));
    expect(settings).toMatchObject({
      task: "token-classification",
      textColumns: ["tokens"],
      labelColumn: ["ner_tags"],
      validation: hub("conll2003/validation-00000-of-00001.parquet"),
      test: hub("conll2003/test-00000-of-00001.parquet"),
    });
    expect(stderr).toContain("The labels in ner_tags are numbers: only words are scored, not entities.");
    const part = await initFor(hub("glue/mrpc/train-00000-of-00002.parquet"));
    expect(part.stderr).toContain("is one of 2 parts, and the run trains on this one alone.");
  });

  it("takes the user's task and columns over its own guess", async () => {
    const rows = csv("text,label,stars", (i) => `${TWO(i)},${i % 5}`);
    const flags = ["--task", "regression", "--label-column", "stars"];
    expect(await guessed("a.csv", rows, ...flags)).toEqual({
      task: "regression",
      textColumns: ["text"],
      labelColumn: ["stars"],
    });
  });

  it("reads a file that could hold words as the user's task does", async () => {
    const rows = "text\tlabel\n\nthe boat\tgood\nthe rain\tbad\n";
    const flags = ["--task", "sequence-classification"];
    expect(await guessed("a.tsv", rows, ...flags)).toEqual(classes);
    expect(await refused("a.conll", "The\tO\n\nIt\tO\n", ...flags)).toContain(
      "this task expects a file whose name ends in",
    );
  });

  it("names what else the label could be", async () => {
    const rows = csv("text,label,score", (i) => `${TWO(i)},${i % 5}`);
    expect((await init("a.csv", rows)).stderr).toContain("label is used as the label, though score could be it too");
    const stars = csv("text,label", (i) => `${sentence(i)},${i % 5}`);
    expect((await init("a.csv", stars)).stderr).toContain(
      "sequence-classification; --task regression if it is a score.",
    );
  });

  it("points at values that may not be classes", async () => {
    const values = ["spam", "Spam ", "ham", "NaN", "ham", "spam"];
    const rows = csv("text,label", (i) => `${sentence(i)},${values[i % 6]}`).concat(`${sentence(99)},eggs\n`);
    const { stderr } = await init("a.csv", rows);
    expect(stderr).toContain("label has the value NaN in 10 rows, which is a class like the others");
    expect(stderr).toContain('The labels "spam" and "Spam " differ only in case or spaces');
    expect(stderr).toContain("1 of the 5 labels in label occurs in one row only (eggs)");
  });

  it("says what it leaves out, and which texts are empty", async () => {
    const many = Array.from({ length: 20 }, (_, i) => `c${i}`).join(",");
    const { stderr } = await init(
      "a.csv",
      csv(`text,label,${many}`, (i) => `${i ? sentence(i) : ""},${i % 2}${",x".repeat(20)}`),
    );
    expect(stderr).toContain("Not used: c0, c1, c2, c3, c4, c5, c6, c7, c8, c9, c10, c11 and 8 more.");
    expect(stderr).toContain("text is empty in 1 of the rows; training uses these rows too.");
  });

  it("warns that training uses the rows of all splits that a column names", async () => {
    const rows = csv("text,label,split", (i) => `${sentence(i)},${i % 2 ? "good" : "bad"},${i % 4 ? "train" : "test"}`);
    const { stderr } = await init("a.csv", rows);
    expect(stderr).toMatch(
      /split names splits \((test, train|train, test)\), but training uses all rows of the file: put each split in a file of its own\./,
    );
  });

  it("guesses from the first rows of a long file, and says so", async () => {
    const { stderr, status } = await init("a.csv", csv("text,label", TWO, 5001));
    expect([status, stderr]).toEqual([0, expect.stringContaining("Guessed from the first 5000 rows.")]);
    expect((await init("a.csv", csv("text,label", TWO, 5000))).stderr).not.toContain("first 5000");
  });

  test.each<[language: string, text: string, model: string]>([
    ["English", "the boat left the harbour", "sentence-transformers/all-MiniLM-L6-v2"],
    ["Russian", "лодка вышла из гавани", "FacebookAI/xlm-roberta-base"],
    ["proteins", "MKTAYIAKQRQISFVKSHFSRQ", "facebook/esm2_t12_35M_UR50D"],
  ])("chooses a model for texts: %s", async (_, text, model) => {
    expect(
      (
        await init(
          "a.csv",
          csv("text,label", (i) => `${text},${i % 2}`),
        )
      ).settings.model,
    ).toBe(model);
  });
});
