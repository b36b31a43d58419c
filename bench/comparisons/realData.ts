// Rows as published, their lengths mixed.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { LabelMap } from "../../src/data/index.js";
import { encodeRows, type NamedDataset, namedDatasets, TASKS, type Task } from "../../src/tasks/index.js";
import { loadTokenizer } from "../../src/text/index.js";
import { compare, faster, type Measured, median, ratio } from "../compare.js";
import { type Context, own, peft } from "../context.js";
import type { Row } from "../rows.js";

interface RealSet {
  readonly name: NamedDataset;
  readonly folder: string;
  readonly labels: number;
}

export const REAL_SETS: readonly RealSet[] = [
  { name: "glue/mrpc", folder: "MRPC", labels: 2 },
  { name: "glue/cola", folder: "CoLA", labels: 2 },
  { name: "glue/stsb", folder: "STS-B", labels: 1 },
];

const BATCH_SIZE = 16;

/** The first rows of a split as token ids, in a file for both sides. */
async function writeRows(
  context: Context,
  { name, folder }: RealSet,
  split: "train" | "validation",
): Promise<{ file: string; rows: number }> {
  const set = namedDatasets[name];
  const { examples } = await set.load(join(context.dataFolder, "glue", folder), split);
  const chosen = examples.slice(0, context.quick ? 128 : 320);
  const tokenizer = await loadTokenizer(join(context.dataFolder, "tokenizers", "roberta"));
  const labels = set.labelNames.length ? new LabelMap(set.labelNames) : undefined;
  const encoded = await encodeRows(TASKS[set.task] as Task, chosen, tokenizer, { labels, maxLength: 512 });
  const file = join(context.scratch, `${folder}-${split}.json`);
  writeFileSync(file, JSON.stringify({ rows: encoded.map(({ inputIds: ids, target: label }) => ({ ids, label })) }));
  return { file, rows: encoded.length };
}

function row(
  what: string,
  setting: string,
  goal: number,
  sides: { rows: number; ours: Measured; theirs: Measured; against: string },
): Row {
  const { rows, ours, theirs, against } = sides;
  const rate = ({ rounds }: Measured) => `${(rows / median(rounds)).toFixed(1)} rows/s`;
  return {
    what,
    setting,
    against,
    goal: { atLeast: goal },
    ratio: ratio(theirs, ours),
    ours: rate(ours),
    theirs: rate(theirs),
  };
}

export async function realTraining(context: Context, set: RealSet): Promise<Row[]> {
  const { file, rows } = await writeRows(context, set, "train");
  const place = { targets: "query-value", data: file, batchSize: BATCH_SIZE } as const;
  const options = { labels: set.labels, unit: "pass" } as const;
  const sides = await compare(
    {
      autocast: peft(context, place, { task: "train", method: "lora", precision: "bfloat16-autocast" }, options),
      float32: peft(context, place, { task: "train", method: "lora", precision: "float32" }, options),
      ours: own(context, place, { task: "train", method: "lora", precision: "bfloat16" }, options),
    },
    { ...context.effort, counts: 1 },
  );
  const theirs = faster(sides.autocast, sides.float32);
  const against = "PEFT with dynamic padding";
  return [
    row("LoRA training, rows as published", `${set.folder}, batch ${BATCH_SIZE}`, 2.5, {
      rows,
      ours: sides.ours,
      theirs,
      against,
    }),
  ];
}

export async function realPrediction(context: Context): Promise<Row[]> {
  const { file, rows } = await writeRows(context, REAL_SETS[0] as RealSet, "validation");
  const place = { targets: "query-value", data: file, batchSize: BATCH_SIZE } as const;
  const options = { unit: "pass" } as const;
  const merged = (precision: "float32" | "bfloat16-autocast" | "bfloat16-weights") =>
    peft(context, place, { task: "predict", method: "lora", precision }, options);
  const sides = await compare(
    {
      autocast: merged("bfloat16-autocast"),
      weights: merged("bfloat16-weights"),
      float32: merged("float32"),
      ours: own(context, place, { task: "predict", method: "lora", precision: "bfloat16" }, options),
    },
    { ...context.effort, counts: 1 },
  );
  const theirs = faster(sides.autocast, sides.weights, sides.float32);
  const against = "transformers, adapter merged, best precision";
  return [row("Evaluation and predict", `MRPC, batch ${BATCH_SIZE}`, 2, { rows, ours: sides.ours, theirs, against })];
}
