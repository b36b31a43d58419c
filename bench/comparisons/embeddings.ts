// Learning embeddings from pairs, and computing them, compared with sentence-transformers.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, type Context, embeddings, own } from "../context.js";
import type { Goal, Row } from "../rows.js";
import { randomIds, seeded } from "../setup/chatRows.js";
import { compare, faster, type Measured, median, ratio } from "../turns/compare.js";
import type { PeerPrecision, RowsFile } from "../turns/protocol.js";
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
  ];
}

async function beside(context: Context, job: Job): Promise<Row[]> {
  const { task, what, units, rows, goal } = job;
  const data = join(context.scratch, `${units}.json`);
  writeFileSync(data, JSON.stringify(randomTexts(rows, task === "train")));
  const cell = { targets: "query-value", data, batchSize: BATCH_SIZE, isInOrder: true } as const;
  const options = { kind: "embedding", labels: 0, unit: "pass" } as const;
  const choice = { task, method: "lora" } as const;
  const peer = (precision: PeerPrecision) => embeddings(context, cell, { ...choice, precision }, options);
  const ours = own(context, cell, { ...choice, precision: "bfloat16" }, options);
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
  const against = (side: Measured, name: string, wanted: Goal): Row => ({
    ...{ what, setting: `${SHORTEST} to ${LONGEST} tokens, batch ${BATCH_SIZE}`, against: name, goal: wanted },
    ...{ ratio: ratio(side, sides.ours), ours: rate(sides.ours), theirs: rate(side) },
  });
  return [
    against(best, `sentence-transformers at its fastest: ${precision}`, goal),
    ...(sides.before ? [against(sides.before, BEFORE, context.goals.before.others)] : []),
  ];
}

const SHORTEST = 8;
const LONGEST = 64;

/** Random tokens; of pairs the second text is in the place of the label. */
function randomTexts(rows: number, arePairs: boolean): RowsFile {
  const random = seeded();
  const text = () => randomIds(random(SHORTEST, LONGEST + 1), random);
  return { rows: Array.from({ length: rows }, () => ({ ids: text(), label: arePairs ? text() : 0 })) };
}
