// Published data sets, with rows of mixed lengths.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { LabelMap } from "../../src/tasks/data/index.js";
import { namedDatasets } from "../../src/tasks/datasets/index.js";
import type { NamedDataset } from "../../src/tasks/datasets/namedDatasets.js";
import { encodeExamples, TASKS, type Task } from "../../src/tasks/index.js";
import { loadTokenizer } from "../../src/text/index.js";
import { before, type Context, own, peft } from "../context.js";
import type { Goal, Row } from "../rows.js";
import { compare, type Effort, faster, type Measured, median, ratio, type Side } from "../turns/compare.js";
import type { PeerPrecision, RealRows } from "../turns/protocol.js";

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

/** The Trainer sorts by length within mega-batches of this many batches, or fewer if a split would have less than four of them. */
const TRAINER_STRETCH = 50;

interface Written {
  readonly file: string;
  /** Rows in the file. */
  readonly rows: number;
  /** Rows in the whole split. */
  readonly of: number;
}

/** Writes the first rows of a split as token ids, in a file that all sides read. */
async function writeRows(context: Context, { name, folder }: RealSet, split: "train" | "validation"): Promise<Written> {
  const set = namedDatasets[name];
  const { examples } = await set.load(join(context.dataFolder, "glue", folder), split);
  const chosen = examples.slice(0, context.quick ? 96 : 320);
  const tokenizer = await loadTokenizer(join(context.dataFolder, "tokenizers", "roberta"));
  const labels = set.labelNames.length ? new LabelMap(set.labelNames) : undefined;
  const encoded = await encodeExamples(TASKS[set.task] as Task, chosen, tokenizer, { labels, maxLength: 512 });
  const file = join(context.scratch, `${folder}-${split}.json`);
  writeFileSync(file, JSON.stringify({ rows: encoded.map(({ inputIds: ids, target: label }) => ({ ids, label })) }));
  return { file, rows: encoded.length, of: examples.length };
}

/** What a row of the table measures, without the side that it compares with. */
interface Place {
  readonly what: string;
  readonly setting: string;
  readonly rows: number;
}

function row(
  { what, setting, rows }: Place,
  against: string,
  goal: Goal | undefined,
  ours: Measured,
  theirs: Measured,
): Row {
  const rate = ({ rounds }: Measured) => `${(rows / median(rounds)).toFixed(1)} rows/s`;
  return { what, setting, against, goal, ratio: ratio(theirs, ours), ours: rate(ours), theirs: rate(theirs) };
}

/** A peer's side, by its precision and batching. */
type Peer = (precision: PeerPrecision, batches: Pick<RealRows, "bucketBatches">) => Side;

/**
 * Compares ours with the previous build and with the peer in each precision, its batches bucketed by length; then with the fastest
 * of these precisions on random batches, which are the peers' default.
 */
async function compareReal(
  context: Context,
  place: Place,
  sides: { readonly ours: Side; readonly peer: Peer; readonly bucketBatches: number },
  names: { readonly bucketed: string; readonly random: string },
): Promise<Row[]> {
  const { ours, peer, bucketBatches } = sides;
  const effort: Effort = { ...context.effort, counts: 1, warmUps: 1 };
  const other = before(context, ours);
  const bucketed = await compare(
    {
      autocast: peer("bfloat16-autocast", { bucketBatches }),
      weights: peer("bfloat16-weights", { bucketBatches }),
      float32: peer("float32", { bucketBatches }),
      ours,
      ...(other && { before: other }),
    },
    effort,
  );
  const { autocast, weights, float32 } = bucketed;
  const best = faster(autocast, weights, float32);
  const precision = best === autocast ? "bfloat16-autocast" : best === weights ? "bfloat16-weights" : "float32";
  const random = await compare({ theirs: peer(precision, {}), ours }, effort);
  const suffix = precision.replace("-", " ");
  const { goals } = context;
  return [
    row(place, `${names.bucketed}, ${suffix}`, goals.real, bucketed.ours, best),
    row(place, `${names.random}, ${suffix}`, undefined, random.ours, random.theirs),
    ...(bucketed.before ? [row(place, "the previous build", goals.before.real, bucketed.ours, bucketed.before)] : []),
  ];
}

export async function realTraining(context: Context, set: RealSet): Promise<Row[]> {
  const { file, rows, of } = await writeRows(context, set, "train");
  const cell = { targets: "query-value", data: file, batchSize: BATCH_SIZE } as const;
  const kind = set.labels === 1 ? "regression" : "sequence-classification";
  const options = { labels: set.labels, kind, unit: "pass" } as const;
  const task = { task: "train", method: "lora" } as const;
  return compareReal(
    context,
    { what: "LoRA training, rows as published", setting: `${set.folder}, batch ${BATCH_SIZE}`, rows },
    {
      ours: own(context, cell, { ...task, precision: "bfloat16" }, options),
      peer: (precision, batches) => peft(context, { ...cell, ...batches }, { ...task, precision }, options),
      bucketBatches: Math.max(1, Math.min(TRAINER_STRETCH, Math.floor(of / (4 * BATCH_SIZE)))),
    },
    { bucketed: "PEFT, group_by_length", random: "PEFT, random batches" },
  );
}

/** Predictions may be made in any order, so the peer sorts all rows by length. */
export async function realPrediction(context: Context): Promise<Row[]> {
  const { file, rows } = await writeRows(context, REAL_SETS[0] as RealSet, "validation");
  const cell = { targets: "query-value", data: file, batchSize: BATCH_SIZE } as const;
  const options = { unit: "pass" } as const;
  const task = { task: "predict", method: "lora" } as const;
  return compareReal(
    context,
    { what: "Evaluation and predict", setting: `MRPC, batch ${BATCH_SIZE}`, rows },
    {
      ours: own(context, cell, { ...task, precision: "bfloat16" }, options),
      peer: (precision, batches) => peft(context, { ...cell, ...batches }, { ...task, precision }, options),
      bucketBatches: Math.ceil(rows / BATCH_SIZE),
    },
    { bucketed: "transformers, merged, sorted by length", random: "transformers, merged, random batches" },
  );
}
