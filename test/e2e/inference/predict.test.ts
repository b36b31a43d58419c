import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { get, readTensors } from "../../parity/goldenFiles.js";
import {
  BERT,
  bidora,
  changed,
  evaluated,
  fresh,
  GOLDEN,
  jsonl,
  list,
  predicted,
  ROWS,
  type PredictedRow as Row,
  readRows,
  run,
  SMALL,
  write,
} from "../support.js";

/** `predict` by the command. */
async function predictedByCommand(...argv: string[]): Promise<Row[]> {
  const output = fresh("out.jsonl");
  const { status, stderr } = await bidora("predict", ...argv, "--output", output);
  expect([status, stderr]).toEqual([0, ""]);
  return readRows(output);
}

function expectNear(actual: readonly number[], expected: readonly number[]): void {
  const scale = Math.max(...expected.map(Math.abs));
  expect(actual.length).toBe(expected.length);
  actual.forEach((value, i) => {
    expect(Math.abs(value - (expected[i] as number)) / scale).toBeLessThan(1e-5);
  });
}

const golden = (file: string) => readTensors(join(BERT, file));
const CUT = ["--dtype", "float32", "--max-length", "20"];

describe("predict agrees with transformers and PEFT on every task", () => {
  test.each([
    ["single", "texts", "forward/single-texts.safetensors", undefined],
    ["single", "pairs", "forward/single-pairs.safetensors", undefined],
    ["single", "texts", "adapters/dora-wide.safetensors", "dora-wide"],
  ] as const)("sequence-classification: %s, %s, %s", async (model, rows, file, adapter) => {
    const found = await predictedByCommand(
      ...["--model", join(BERT, model), "--input", join(ROWS, `${rows}.jsonl`), ...CUT],
      ...(adapter ? ["--adapter", join(BERT, "adapters", adapter)] : []),
    );
    expectNear(
      found.flatMap(({ logits }) => logits),
      get(golden(file), "logits").toArray(),
    );
    for (const row of found) {
      expect(Object.keys(row)).toEqual(["label", "score", "logits"]);
      const best = row.logits.indexOf(Math.max(...row.logits));
      expect(row.label).toBe(["alpha", "beta", "gamma"][best]);
      const sum = row.logits.reduce((total, value) => total + Math.exp(value), 0);
      expect(row.score).toBeCloseTo(Math.exp(row.logits[best] as number) / sum, 6);
    }
  });

  const settings = JSON.parse(readFileSync(join(GOLDEN, "text/settings.json"), "utf8")) as {
    logits: { names: string[]; logits: number[][] }[];
  };
  test.each(settings.logits)("pairs with the inputs $names", async ({ names, logits }) => {
    const model = changed("bert/single", "tokenizer_config.json", { model_input_names: names });
    const found = await predicted({ model, input: join(ROWS, "pairs.jsonl"), maxLength: 20 });
    expectNear(
      found.flatMap((row) => row.logits),
      logits.flat(),
    );
  });

  test("multi-label-classification", async () => {
    const found = await predictedByCommand(
      "--model",
      join(BERT, "multi"),
      "--input",
      join(ROWS, "multi.jsonl"),
      ...CUT,
    );
    expectNear(
      found.flatMap(({ logits }) => logits),
      get(golden("forward/multi-multi.safetensors"), "logits").toArray(),
    );
    const labels = Object.values(JSON.parse(readFileSync(join(BERT, "multi/config.json"), "utf8")).id2label as object);
    for (const row of found) {
      expect(Object.keys(row)).toEqual(["labels", "scores", "logits"]);
      expectNear(
        row.scores as number[],
        row.logits.map((value) => 1 / (1 + Math.exp(-value))),
      );
      expect(row.labels).toEqual(labels.filter((_, i) => (row.logits[i] as number) >= 0));
    }
  });

  test("regression", async () => {
    const found = await predictedByCommand(
      "--model",
      join(BERT, "regression"),
      "--input",
      join(ROWS, "regression.jsonl"),
      ...CUT,
    );
    for (const row of found) expect(Object.keys(row)).toEqual(["value"]);
    const expected = get(golden("forward/regression-regression.safetensors"), "logits").toArray();
    expectNear(
      found.map(({ value }) => value as number),
      expected,
    );
  });

  test("token-classification: null for words without a token; words that transformers truncates are predicted too", async () => {
    const found = await predictedByCommand(
      "--model",
      join(BERT, "tokens"),
      "--input",
      join(ROWS, "tokens.jsonl"),
      ...CUT,
    );
    const tensors = golden("forward/tokens-tokens.safetensors");
    const [counts, starts, lengths] = ["word_counts", "word_starts", "lengths"].map((name) =>
      get(tensors, name).toArray(),
    );
    const [all, width] = [get(tensors, "logits").toArray(), 5];
    const words = readRows(join(ROWS, "tokens.jsonl"));
    let [word, token, missing, cut] = [0, 0, 0, 0];
    for (const [i, row] of found.entries()) {
      expect(Object.keys(row)).toEqual(["tokens", "labels", "logits"]);
      expect(row.tokens).toEqual(words[i]?.tokens);
      expect([row.logits.length, (row.labels as unknown[]).length]).toEqual([counts?.[i], counts?.[i]]);
      const isCut = (lengths?.[i] as number) === 20;
      if (isCut) cut += 1;
      for (const [w, logits] of (row.logits as unknown as (number[] | null)[]).entries()) {
        const start = starts?.[word++] as number;
        if (isCut) expect([logits?.length, (row.labels as unknown[])[w]]).toEqual([width, expect.any(String)]);
        if (isCut) continue;
        if (start < 0) missing += 1;
        if (start < 0) expect([logits, (row.labels as unknown[])[w]]).toEqual([null, null]);
        else expectNear(logits as number[], all.slice((token + start) * width, (token + start + 1) * width));
      }
      token += lengths?.[i] as number;
    }
    expect([missing, cut]).toEqual([1, 1]);
  });
});

test.each([
  ["single", "texts"],
  ["multi", "multi"],
  ["tokens", "tokens"],
] as const)("%s: predictions depend neither on the batch size nor on the labels", async (checkpoint, file) => {
  const input = join(ROWS, `${file}.jsonl`);
  const model = join(BERT, checkpoint);
  const numbers = (rows: readonly Row[]) => rows.flatMap((row) => row.logits.flat().filter((value) => value !== null));
  const [all, one, three] = await Promise.all([64, 1, 3].map((batchSize) => predicted({ model, input, batchSize })));
  for (const other of [one, three]) expectNear(numbers(other as Row[]), numbers(all as Row[]));
  const bare = jsonl(...readRows(input).map(({ label: _label, labels: _labels, ...rest }) => rest));
  expect(await predicted({ model, input: bare })).toEqual(await predicted({ model, input }));
  const strange = jsonl(
    ...readRows(input).map((row) => ({ ...row, label: file === "tokens" ? undefined : "never seen" })),
  );
  if (file === "texts") expect(await predicted({ model, input: strange })).toEqual(all);
});

test("CSV, TSV and files with a byte-order mark give the predictions of JSON lines", async () => {
  const texts = readRows(join(ROWS, "pairs.jsonl")).map(
    ({ sentence1, sentence2 }) => [sentence1, sentence2] as string[],
  );
  const quoted = (text: string) => `"${text.replaceAll('"', '""')}"`;
  const expected = await predicted({ model: SMALL.model, input: join(ROWS, "pairs.jsonl") });
  const table = (separator: string) =>
    [["sentence1", "sentence2"], ...texts].map((row) => row.map(quoted).join(separator)).join("\r\n");
  expect(await predicted({ model: SMALL.model, input: write("rows.csv", `\uFEFF${table(",")}\r\n`) })).toEqual(
    expected,
  );
  expect(await predicted({ model: SMALL.model, input: write("rows.tsv", table("\t")) })).toEqual(expected);
});

describe("the model of a run", () => {
  test.each(["lora", "dora", "bidora", "full"] as const)(
    "%s: evaluate reproduces the run's metrics, those logged during training among them",
    async (method) => {
      const data = join(ROWS, "pairs.jsonl");
      const rate = method === "full" ? 1e-3 : 1e-2;
      const settings = {
        method,
        validation: data,
        evalEvery: 1,
        maxSteps: 5,
        dtype: "float32",
        learningRate: rate,
      } as const;
      const { output, metrics } = await run(settings);
      const used = method === "full" ? { model: output } : { model: SMALL.model, adapter: output };
      const again = await evaluated({ ...used, data, batchSize: 4 });
      expect(again.loss).toBeCloseTo(metrics.loss as number, 5);
      expect({ ...again, loss: 0 }).toEqual({ ...metrics, loss: 0 });
      const { status, stdout } = await bidora(
        ...["evaluate", "--model", used.model, "--data", data, "--dtype", "float32", "--json"],
        ...("adapter" in used ? ["--adapter", used.adapter as string] : []),
      );
      expect(status).toBe(0);
      expect((JSON.parse(stdout) as { loss: number }).loss).toBeCloseTo(again.loss as number, 5);
    },
  );

  test("predict takes the columns of training first, then columns with the usual names", async () => {
    const rows = readRows(join(ROWS, "train.jsonl"));
    const train = jsonl(...rows.map(({ sentence1, label }) => ({ text: "x", body: sentence1, label })));
    const { output } = await run({ method: "lora", train, textColumns: ["body"] });
    const use = { model: SMALL.model, adapter: output };
    const input = (name: string) =>
      jsonl(...rows.map(({ sentence1 }) => ({ [name]: sentence1, ...(name === "body" && { text: "y" }) })));
    const expected = await predicted({ ...use, input: input("body") });
    expect(await predicted({ ...use, input: input("sentence") })).toEqual(expected);
    await expect(predicted({ ...use, input: input("strange") })).rejects.toThrow(
      /the columns are strange: name one with/,
    );
    expect(await predicted({ ...use, input: input("strange"), textColumns: ["strange"] })).toEqual(expected);
  });

  test("without --task, PEFT's adapter or the checkpoint decides what is predicted", async () => {
    const adapters = join(GOLDEN, "bert", "adapters");
    const keys = async (model: string, file: string, adapter?: string) =>
      Object.keys(
        (
          await predicted({
            model: join(BERT, model),
            input: join(ROWS, file),
            ...(adapter && { adapter: join(adapters, adapter) }),
          })
        )[0] as Row,
      )[0];
    expect(await keys("multi", "multi.jsonl", "multi-dora")).toBe("labels");
    expect(await keys("regression", "regression.jsonl", "regression-lora")).toBe("value");
    expect(await keys("tokens", "tokens.jsonl", "tokens-dora")).toBe("tokens");
    expect(await keys("single", "texts.jsonl", "lora")).toBe("label");
  });
});

describe("predict's output file", () => {
  const input = join(ROWS, "texts.jsonl");
  const flags = ["predict", "--model", SMALL.model, "--input", input];

  test("is not replaced without --overwrite if it has content", async () => {
    const output = write("mine.jsonl", "mine\n");
    expect(await bidora(...flags, "--output", output)).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/mine\.jsonl exists.*--overwrite/),
    });
    expect(readFileSync(output, "utf8")).toBe("mine\n");
    expect((await bidora(...flags, "--output", output, "--overwrite")).status).toBe(0);
    expect((await bidora(...flags, "--output", write("empty.jsonl", ""))).status).toBe(0);
  });

  test("is refused before any computation if it can't be written", async () => {
    for (const output of [join(input, "x.jsonl"), ROWS, "/proc/x.jsonl"]) {
      const { status, stderr } = await bidora(...flags, "--output", output);
      expect(status).toBe(1);
      expect(stderr).toMatch(/^bidora: --output .*(can't be written|is not a file).*\n$/);
    }
  });

  test("may be in a folder that does not exist yet", async () => {
    const folder = fresh("deep");
    expect((await bidora(...flags, "--output", join(folder, "er", "out.jsonl"))).status).toBe(0);
    expect(list(join(folder, "er"))).toEqual(["out.jsonl"]);
  });
});
