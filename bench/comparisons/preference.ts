// Preference tuning of a language model, compared with TRL.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Cell, type Context, own, peft } from "../context.js";
import { preferenceWorker } from "../programs.js";
import type { Row } from "../rows.js";
import { randomIds, seeded } from "../setup/chatRows.js";
import { randomModel } from "../setup/randomModel.js";
import { compare, type Side } from "../turns/compare.js";
import type { PeerPrecision, RowsFile } from "../turns/protocol.js";
import { LANGUAGE_MODELS, type LanguageModel } from "./language.js";
import { memory, peftRows } from "./stepRows.js";

/** So many that no row comes twice: the reference is computed in every step, as in the first epoch of a run. */
const BATCHES = 60;

/** The lengths of prompts and answers, at least and at most, and the pairs of a step: TRL keeps logits of all tokens, 9 GiB for 4 pairs of long prompts. */
const LENGTHS = {
  "short prompts": { prompt: [16, 64], answer: [32, 128], pairs: 4 },
  "long prompts": { prompt: [384, 512], answer: [16, 64], pairs: 2 },
} as const;

export async function preference(context: Context, name: LanguageModel): Promise<Row[]> {
  const model = await randomModel(context.python, join(context.scratch, name), name);
  const rows: Row[] = [];
  for (const kind of Object.keys(LENGTHS) as (keyof typeof LENGTHS)[])
    rows.push(...(await besideTrl(context, kind, { model, name })));
  return rows;
}

async function besideTrl(
  context: Context,
  kind: keyof typeof LENGTHS,
  { model, name }: { readonly model: string; readonly name: LanguageModel },
): Promise<Row[]> {
  const pairs = join(context.scratch, `${kind}-pairs.json`);
  const whole = join(context.scratch, `${kind}-rows.json`);
  const { pairs: batchSize } = LENGTHS[kind];
  const written = randomPairs(kind);
  writeFileSync(pairs, JSON.stringify(written));
  writeFileSync(whole, JSON.stringify(asRows(written)));
  const cell = { targets: "all-linear", data: pairs, batchSize, isInOrder: true } as const;
  const options = { model, labels: 0 } as const;
  const choice = { task: "train", method: "lora", precision: "bfloat16" } as const;
  const trl = (precision: PeerPrecision): Side => ({
    ...peft(context, cell, { ...choice, precision }, { ...options, kind: "preference" }),
    program: preferenceWorker(context.python),
  });
  const plain: Cell = { ...cell, data: whole, batchSize: 2 * batchSize };
  const effort = { ...context.effort, counts: 1 };
  const ours = own(context, cell, choice, { ...options, kind: "preference" });
  const sides = await compare(
    { ours, autocast: trl("bfloat16-autocast"), weights: trl("bfloat16-weights"), float32: trl("float32") },
    effort,
  );
  // TRL's logits of all sides take most of a machine's memory, so plain fine-tuning waits until they are gone.
  const besidePlain = await compare(
    { ours, plain: own(context, plain, choice, { ...options, kind: "causal-lm" }) },
    { ...effort, rounds: 1 },
  );
  const setting = `${LANGUAGE_MODELS[name]}, all linear, ${batchSize} pairs, ${kind}`;
  const { goals } = context;
  const step = peftRows({ what: "DPO step, LoRA", setting, goal: goals.preference.trl }, sides.ours, sides);
  return [
    ...step.map((row) => ({ ...row, against: row.against.replace("PEFT", "TRL") })),
    memory(
      {
        what: "DPO, peak memory",
        setting,
        against: "our fine-tuning on chosen and rejected answers as rows",
        goal: goals.preference.memory,
      },
      besidePlain.ours,
      besidePlain.plain,
    ),
  ];
}

function randomPairs(kind: keyof typeof LENGTHS): RowsFile {
  const random = seeded();
  const { prompt, answer, pairs } = LENGTHS[kind];
  const text = ([least, most]: readonly [number, number]) => randomIds(random(least, most + 1), random);
  return {
    rows: Array.from({ length: pairs * BATCHES }, () => ({
      ids: text(prompt),
      label: 0,
      answers: [text(answer), text(answer)] as const,
    })),
  };
}

/** Each answer with its prompt as a row of its own, of which the answer is trained on. */
const asRows = ({ rows }: RowsFile): RowsFile => ({
  rows: rows.flatMap(({ ids, answers }) =>
    answers!.map((answer) => ({ ids: [...ids, ...answer], label: [...ids.map(() => -100), ...answer] })),
  ),
});
