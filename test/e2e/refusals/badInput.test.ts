import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { BERT, bidora, fresh, GOLDEN, jsonl, list, ROWS, SMALL, write } from "../support.js";

const TRAIN: string = SMALL.train;

/** Runs `finetune` with flags that stand against each other; nothing may be left, and one sentence comes. */
async function refused(flags: readonly string[], status: 1 | 2, message: RegExp): Promise<void> {
  const output = fresh();
  const base = [
    "--model",
    SMALL.model,
    "--max-steps",
    "2",
    "--batch-size",
    "4",
    "--method",
    "lora",
    "--output",
    output,
  ];
  const result = await bidora("finetune", ...base, ...flags);
  expect(result.stderr).toMatch(/^bidora: .*[.?]\n$/);
  expect(result.stderr).toMatch(message);
  expect(result.stderr).not.toMatch(/\n\s+at |TypeError|ENO|undefined|\[object/);
  expect(result.status).toBe(status);
  expect(list(output)).toEqual([]);
}

const row = { sentence: "a", label: "alpha" };

function pipe(name: string): string {
  const path = fresh(name);
  spawnSync("mkfifo", [path]);
  return path;
}

describe("data", () => {
  test.each([
    ["a missing file", () => ["--train", "/no/such.jsonl"], /no\/such\.jsonl does not exist/],
    ["an empty file", () => ["--train", write("e.jsonl", "")], /e\.jsonl is empty/],
    ["blank lines", () => ["--train", write("e.jsonl", "\n \n")], /e\.jsonl is empty/],
    ["a pipe", () => ["--train", pipe("p.jsonl")], /p\.jsonl is a pipe, but a regular file is expected/],
    ["a folder", () => ["--train", ROWS], /rows\/? is a folder, but a file is expected/],
    [
      "a folder named like a file",
      () => {
        const path = fresh("x.jsonl");
        mkdirSync(path);
        return ["--train", path];
      },
      /x\.jsonl is a folder/,
    ],
    [
      "a broken line",
      () => ["--train", write("b.jsonl", `${JSON.stringify(row)}\n{"sentence"\n`)],
      /b\.jsonl line 2: not valid JSON/,
    ],
    [
      "a line that is no object",
      () => ["--train", write("b.jsonl", `${JSON.stringify(row)}\n[]\n`)],
      /b\.jsonl line 2: expected a JSON object/,
    ],
    [
      "a line without label",
      () => ["--train", jsonl(row, { sentence: "b" })],
      /rows\.jsonl: 1 of 2 rows has no label in the column label \(line 2\): write the labels, or leave these rows out with --drop-unlabeled\.$/m,
    ],
    [
      "a text that is a number",
      () => ["--train", jsonl({ ...row, sentence: 3 })],
      /line 1: the column sentence must hold a string, but holds 3/,
    ],
    [
      "an unknown column",
      () => ["--train", jsonl(row), "--text-columns", "body"],
      /has no column body; its columns are sentence, label/,
    ],
    [
      "no usual column",
      () => ["--train", jsonl({ body: "a", label: "alpha" })],
      /the columns are body, label: name one with --text-columns/,
    ],
    [
      "an unknown label",
      () => ["--train", jsonl(row), "--validation", jsonl({ ...row, label: "delta" })],
      /rows\.jsonl line 1: the label delta is not one of the known labels: alpha, beta, gamma/,
    ],
    [
      "fields too many",
      () => ["--train", write("f.csv", "sentence,label\na,alpha\nb,beta,c\n")],
      /f\.csv line 3: 3 columns, but the header has 2/,
    ],
    ["an open quote", () => ["--train", write("f.csv", 'sentence,label\n"a,alpha\n')], /f\.csv line \d/],
    [
      "bytes that are not UTF-8",
      () => ["--train", write("l.jsonl", Buffer.from('{"sentence":"caf\xe9","label":"alpha"}\n', "latin1"))],
      /l\.jsonl line 1: byte 0xE9 is not UTF-8/,
    ],
    [
      "a score that is no number",
      () => ["--train", jsonl({ ...row, label: "much" }), "--task", "regression", "--model", join(BERT, "regression")],
      /line 1: the column label must hold a number, but holds "much"/,
    ],
    [
      "labels too few",
      () => ["--train", jsonl({ tokens: ["a", "b"], labels: ["O"] }), "--task", "token-classification"],
      /line 1: 1 labels for 2 words/,
    ],
    [
      "one label only",
      () => ["--train", jsonl(row, row), "--model", join(BERT, "no-prefix"), "--task", "sequence-classification"],
      /All training rows have the label alpha/,
    ],
    [
      "a data set's folder without its files",
      () => ["--task", "glue/mrpc", "--data", ROWS],
      /has no train\.tsv of GLUE's MRPC/,
    ],
  ] as const)("%s", (_, flags, message) => refused(flags(), 1, message));

  test.each([
    ["no rows for the upper level", ["--method", "bidora", "--search-fraction", "0.01"], /leaves one of them empty/],
    [
      "a batch larger than the rows, dropped",
      ["--batch-size", "100", "--drop-last"],
      /22 rows do not fill one batch of 100/,
    ],
    ["a length beyond the model", ["--max-length", "49"], /--max-length 49 is more than the 48 tokens/],
    ["a length without room for a token", ["--max-length", "2"], /2/],
    ["early stopping without evaluations", ["--early-stopping", "2"], /--early-stopping needs --eval-every/],
    ["evaluations without rows", ["--eval-every", "2"], /--eval-every needs rows to evaluate on/],
    ["a text column for the label", ["--label-column", "sentence2"], /sentence2 is given for both text and label/],
    [
      "a label column for a text",
      ["--text-columns", "sentence1,label", "--label-column", "label"],
      /column label is given for both text and label/,
    ],
    ["a label column twice", ["--label-column", "label,label"], /--label-column has label twice/],
    ["zero threads", ["--threads", "0"], /--threads takes a whole number of at least 1; got "0"/],
    ["a rank that is no number", ["--rank", "many"], /--rank takes a whole number/],
    ["an unknown method", ["--method", "loar"], /got "loar"\. Did you mean "lora"\?/],
    ["an unknown method", ["--method", "prefix"], /--method takes full, .*hira or bidora; got "prefix"/],
    [
      "an unknown flag",
      ["--target-module", "query"],
      /Unknown flag "--target-module"\. Did you mean "--target-modules"\?/,
    ],
    ["flags that are mutually exclusive", ["--resume", "--overwrite"], /are mutually exclusive/],
    ["no rows at all", ["--train", ""], /--train takes/],
  ] as const)("%s", (_, flags, message) => refused(["--train", TRAIN, ...flags], 2, message));

  test("a rank that needs more memory than the machine has", () =>
    refused(
      ["--train", TRAIN, "--rank", "1000000000"],
      1,
      /An adapter with 432,000,000,000 parameters in 6 modules takes 6,437\.3 GiB of memory, but this machine has [\d.,]+ [MG]iB: .*--rank/,
    ));

  test("a batch size above the number of rows means all rows", async () => {
    const output = fresh();
    const flags = [
      "--model",
      SMALL.model,
      "--max-steps",
      "1",
      "--batch-size",
      "100",
      "--quiet",
      "--train",
      TRAIN,
      "--output",
      output,
    ];
    expect(await bidora("finetune", ...flags)).toMatchObject({ status: 0, stderr: "" });
  });
});

/** The checkpoint with something about it changed. */
function changed(change: (folder: string) => void, from = join(BERT, "single")): string {
  const folder = fresh("model");
  cpSync(from, folder, { recursive: true });
  change(folder);
  return folder;
}

const edit = (file: string, change: (bytes: Buffer) => Uint8Array | string) => (folder: string) =>
  writeFileSync(join(folder, file), change(readFileSync(join(folder, file))));

const config = (change: object) =>
  edit("config.json", (bytes) => JSON.stringify({ ...(JSON.parse(bytes.toString()) as object), ...change }));

/** A safetensors file whose header gives some tensors another dtype of the same size. */
const retyped = (file: string, dtypeOf: (name: string) => string | undefined) =>
  edit(file, (bytes) => {
    const length = Number(bytes.readBigUInt64LE(0));
    const header = JSON.parse(bytes.subarray(8, 8 + length).toString()) as Record<
      string,
      { dtype: string | undefined }
    >;
    for (const [name, entry] of Object.entries(header)) entry.dtype = dtypeOf(name) ?? entry.dtype;
    const text = Buffer.from(JSON.stringify(header).padEnd(length));
    return Buffer.concat([bytes.subarray(0, 8), text, bytes.subarray(8 + length)]);
  });

describe("models", () => {
  const remove = (file: string) => (folder: string) => rmSync(join(folder, file));
  test.each<readonly [string, () => string, RegExp]>([
    ["no such folder", () => "/no/such/folder", /There is no folder \/no\/such\/folder/],
    ["a file", () => TRAIN, /is a file; expected a model folder/],
    ["a path under a file", () => join(TRAIN, "x"), /There is no folder/],
    ["no config.json", () => changed(remove("config.json")), /has no config\.json/],
    ["a broken config.json", () => changed(edit("config.json", () => "{")), /config\.json is not valid JSON/],
    ["an unknown model_type", () => changed(config({ model_type: "mamba" })), /mamba/],
    [
      "a misspelt model_type, and no head",
      () => changed(config({ model_type: "brt", architectures: undefined })),
      /model_type "brt" is not supported; supported are bert, .* Did you mean "bert"\?/,
    ],
    [
      "no model_type, and no head",
      () => changed(config({ model_type: undefined, architectures: undefined })),
      /model_type is missing; supported are bert/,
    ],
    [
      "an absurd number of layers",
      () => changed(config({ num_hidden_layers: 1e6 })),
      /it has 1000000 layers, but the checkpoint has only \d+ tensors/,
    ],
    [
      "an absurd number of labels",
      () => changed(config({ num_labels: 1e9, id2label: undefined, label2id: undefined })),
      /num_labels is 1000000000; expected at most/,
    ],
    ["an absurd vocabulary", () => changed(config({ vocab_size: 1e9 })), /\[117, 36\].*\[1000000000, 36\]/],
    [
      "a weight of whole numbers",
      () =>
        changed(
          retyped("model.safetensors", (name) => (name.endsWith("layer.1.output.dense.bias") ? "I32" : undefined)),
        ),
      /layer\.1\.output\.dense\.bias in .* has dtype I32, but weights are floats/,
    ],
    [
      "a tokenizer for a larger vocabulary",
      () =>
        changed(
          edit("tokenizer.json", (bytes) => {
            const json = JSON.parse(bytes.toString()) as { added_tokens: object[] };
            const plain = { single_word: true, lstrip: false, rstrip: false, normalized: true, special: false };
            json.added_tokens.push({ id: 117, content: "small", ...plain });
            return JSON.stringify(json);
          }),
        ),
      /train\.jsonl line \d+: the tokenizer gives the token id 117, but the model has 117 tokens and the tokenizer 118:/,
    ],
    [
      "no tokenizer",
      () =>
        changed((f) => {
          remove("tokenizer.json")(f);
          remove("tokenizer_config.json")(f);
        }),
      /tokenizer/,
    ],
    [
      "a tokenizer that would end the process",
      () =>
        changed(
          edit("tokenizer.json", (bytes) =>
            JSON.stringify({
              ...(JSON.parse(bytes.toString()) as object),
              normalizer: { type: "Precompiled", precompiled_charsmap: "AAAA" },
            }),
          ),
        ),
      /tokenizer\.json is broken: a tokenizer made from it ends the process/,
    ],
    ["no weights", () => changed(remove("model.safetensors")), /has no safetensors weights/],
    [
      "a pickle",
      () =>
        changed((f) => {
          remove("model.safetensors")(f);
          writeFileSync(join(f, "pytorch_model.bin"), "");
        }),
      /pytorch_model\.bin, which is not supported.*save_pretrained/,
    ],
    [
      "weights cut short",
      () => changed(edit("model.safetensors", (b) => b.subarray(0, b.length - 9))),
      /model\.safetensors/,
    ],
    ["a header cut short", () => changed(edit("model.safetensors", (b) => b.subarray(0, 100))), /model\.safetensors/],
    [
      "a header that lies about its length",
      () =>
        changed(
          edit("model.safetensors", (b) => {
            b.writeBigUInt64LE(1n << 60n, 0);
            return b;
          }),
        ),
      /model\.safetensors/,
    ],
    ["an empty weights file", () => changed(edit("model.safetensors", () => "")), /model\.safetensors/],
    ["a config that does not fit the weights", () => changed(config({ intermediate_size: 53 })), /52.*53|53.*52/],
    ["an adapter in the model's place", () => join(BERT, "adapters/lora"), /holds an adapter, not a model/],
  ])("%s", (_, model, message) => refused(["--train", TRAIN, "--model", model()], 1, message));

  test.each<readonly [string, () => string, RegExp]>([
    ["a model in the adapter's place", () => SMALL.model, /adapter_config\.json/],
    ["another base", () => join(GOLDEN, "roberta/adapters/lora"), /does not fit the model/],
    [
      "tensors cut short",
      () =>
        changed(
          edit("adapter_model.safetensors", (b) => b.subarray(0, b.length - 9)),
          join(BERT, "adapters/lora"),
        ),
      /adapter_model\.safetensors/,
    ],
  ])("--adapter: %s", (_, adapter, message) =>
    refused(["--train", TRAIN, "--method", "lora", "--adapter", adapter()], 1, message),
  );

  test("an adapter with another head is refused with the tensor's name and both shapes", () =>
    refused(
      ["--train", TRAIN, "--model", join(BERT, "dropout"), "--adapter", join(BERT, "adapters/multi-lora")],
      1,
      /classifier\.\w+ .*\[4(, 36)?\].*\[3(, 36)?\]/,
    ));
});

describe("the output folder", () => {
  test("is refused if it is in use, below a file, or not writable", async () => {
    const used = fresh();
    mkdirSync(used);
    writeFileSync(join(used, "mine.txt"), "");
    const flags = ["finetune", "--model", SMALL.model, "--train", TRAIN, "--max-steps", "1", "--output"];
    for (const [output, message] of [
      [used, /is not empty: name another folder, or give --overwrite/],
      [TRAIN, /is a file; name a folder/],
      [join(TRAIN, "deep", "er"), /can't be written: .*train\.jsonl is a file/],
      ["/proc/bidora", /can't be written/],
    ] as const) {
      const { status, stderr } = await bidora(...flags, output);
      expect(status).toBe(1);
      expect(stderr).toMatch(/^bidora: --output [^\n]*\.\n$/);
      expect(stderr).toMatch(message);
    }
    expect(list(used)).toEqual(["mine.txt"]);
  });
});

test("only --debug prints the stack trace", async () => {
  const flags = ["finetune", "--model", SMALL.model, "--train", "/no/such.jsonl"];
  expect((await bidora(...flags)).stderr.split("\n")).toHaveLength(2);
  expect((await bidora(...flags, "--debug")).stderr).toMatch(/\n +at /);
});
