// Learning embeddings from pairs, and computing them, compared with sentence-transformers.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { namedDatasets } from "../../src/tasks/datasets/index.js";
import { before, type Context, embeddings, own } from "../context.js";
import { encodeWorker, ownWorker } from "../programs.js";
import type { Goal, Row } from "../rows.js";
import { randomIds, seeded } from "../setup/chatRows.js";
import { compare, faster, type Measured, median, ratio, type Side } from "../turns/compare.js";
import type { EncodeSpec, PeerPrecision, RowsFile } from "../turns/protocol.js";
import { startModel } from "./start.js";
import { BEFORE } from "./stepRows.js";

const BATCH_SIZE = 32;

/** What a row of the table measures. */
interface Job {
  readonly task: "train" | "predict";
  readonly what: string;
  /** What a row of the file is called. */
  readonly units: string;
  readonly rows: number;
  readonly goal: Goal;
}

export async function learnAndEmbed(context: Context): Promise<Row[]> {
  const { goals, quick } = context;
  const batches = quick ? 3 : 8;
  const rows = BATCH_SIZE * batches;
  return [
    ...(await beside(context, {
      ...{ task: "train", what: "LoRA training of embeddings", units: "pairs", rows },
      goal: goals.embeddings.train,
    })),
    ...(await beside(context, {
      ...{ task: "predict", what: "Embeddings of texts", units: "texts", rows: 2 * rows },
      goal: goals.embeddings.encode,
    })),
    ...(await embedSentences(context)),
  ];
}

async function beside(context: Context, job: Job): Promise<Row[]> {
  const { task, what, units, rows, goal } = job;
  const data = join(context.scratch, `${units}.json`);
  writeFileSync(data, JSON.stringify(randomTexts(rows, task === "train")));
  const cell = { targets: "query-value", data, batchSize: BATCH_SIZE, isInOrder: true } as const;
  const options = { kind: "embedding", labels: 0, unit: "pass" } as const;
  const choice = { task, method: "lora" } as const;
  const sides = {
    peer: (precision: PeerPrecision) => embeddings(context, cell, { ...choice, precision }, options),
    ours: own(context, cell, { ...choice, precision: "bfloat16" }, options),
  };
  const setting = `${SHORTEST} to ${LONGEST} tokens, batch ${BATCH_SIZE}`;
  return against(context, { what, setting, goal, rows, units }, sides);
}

/** sentence-transformers in each precision, and our side. */
interface Sides {
  readonly peer: (precision: PeerPrecision) => Side;
  readonly ours: Side;
}

interface Place extends Pick<Job, "what" | "units" | "rows"> {
  readonly setting: string;
  readonly goal: Goal | undefined;
}

async function against(
  context: Context,
  { what, setting, goal, rows, units }: Place,
  { peer, ours }: Sides,
): Promise<Row[]> {
  const other = before(context, ours);
  const sides = await compare(
    {
      autocast: peer("bfloat16-autocast"),
      weights: peer("bfloat16-weights"),
      float32: peer("float32"),
      ours,
      ...(other && { before: other }),
    },
    { ...context.effort, counts: 1, warmUps: 1 },
  );
  const best = faster(sides.autocast, sides.weights, sides.float32);
  const precision = best === sides.autocast ? "autocast" : best === sides.weights ? "bfloat16 weights" : "float32";
  const rate = ({ rounds }: Measured) => `${(rows / median(rounds)).toFixed(1)} ${units}/s`;
  const row = (side: Measured, name: string, wanted: Goal | undefined): Row => ({
    ...{ what, setting, against: name, goal: wanted },
    ...{ ratio: ratio(side, sides.ours), ours: rate(sides.ours), theirs: rate(side) },
  });
  return [
    row(best, `sentence-transformers at its fastest: ${precision}`, goal),
    ...(sides.before ? [row(sides.before, BEFORE, context.goals.before.others)] : []),
  ];
}

/** Real sentences by a small model, from the text to the vector. */
async function embedSentences(context: Context): Promise<Row[]> {
  const { examples } = await namedDatasets["glue/stsb"].load(join(context.dataFolder, "glue", "STS-B"), "train");
  const texts = [...new Set(examples.flatMap(({ input }) => input as readonly string[]))].slice(
    0,
    context.quick ? 640 : 2560,
  );
  const file = join(context.scratch, "sentences.json");
  writeFileSync(file, JSON.stringify(texts));
  const common = {
    task: "encode",
    model: await startModel(context),
    threads: context.threads,
    texts: file,
    batchSize: BATCH_SIZE,
  } as const;
  const spec = (precision: EncodeSpec["precision"]): EncodeSpec => ({ ...common, precision });
  const sides = {
    peer: (precision: PeerPrecision) => ({ program: encodeWorker(context.python), spec: spec(precision) }),
    ours: { program: ownWorker(), spec: spec("bfloat16") },
  };
  const setting = `MiniLM, STS-B, with tokenization, batch ${BATCH_SIZE}`;
  const place = { what: "Embeddings of sentences", setting, goal: context.goals.embeddings.encode };
  return against(context, { ...place, rows: texts.length, units: "texts" }, sides);
}

const SHORTEST = 8;
const LONGEST = 64;

/** Random tokens; of pairs the second text is in the place of the label. */
function randomTexts(rows: number, arePairs: boolean): RowsFile {
  const random = seeded();
  const text = () => randomIds(random(SHORTEST, LONGEST + 1), random);
  return { rows: Array.from({ length: rows }, () => ({ ids: text(), label: arePairs ? text() : 0 })) };
}
