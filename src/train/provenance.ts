import { z } from "zod";
import { BidoraError } from "../common/errors.js";
import { count } from "./ruleStates.js";

const digest = z.string().regex(/^[0-9a-f]{64}$/);

const rows = z.object({
  rows: count,
  /** Of the rows as they are trained on: tokens, types and labels. */
  sha256: digest,
});

export const provenance = z.object({
  train: rows,
  validation: rows.nullable(),
  test: rows.nullable(),
  /** Of the training rows that are held out; absent in checkpoints before it was kept. */
  holdout: rows.nullable().optional(),
  /** In the order of the model's outputs. */
  labels: z.array(z.string()),
  /** Of the files of base model, tokenizer and start adapter: null where there are none, or none any more. */
  config: digest.nullable(),
  weights: digest.nullable(),
  tokenizer: digest.nullable(),
  adapter: digest.nullable(),
});

/** What a run was made from: who goes on with it must have the same. */
export type Provenance = z.infer<typeof provenance>;

/** @throws BidoraError `CHECKPOINT_PROVENANCE` naming everything that is not what it was */
export function checkProvenance(path: string, then: Provenance, now: Provenance): void {
  const found = [...fileDifferences(then, now), ...labelDifferences(then, now), ...rowDifferences(then, now)];
  if (found.length === 0) return;
  throw new BidoraError(
    "CHECKPOINT_PROVENANCE",
    `${path} was made from ${found.join("; and from ")}: resume with what the run began with, or start anew in another --output.`,
  );
}

const FILES = {
  config: "another config.json of the base model",
  weights: "other weights of the base model",
  tokenizer: "another tokenizer",
  adapter: "another adapter to start from",
} as const;

function fileDifferences(then: Provenance, now: Provenance): string[] {
  return Object.entries(FILES).flatMap(([key, words]) => {
    const [before, after] = [then[key as keyof typeof FILES], now[key as keyof typeof FILES]];
    return before === null || after === null || before === after ? [] : [words];
  });
}

function labelDifferences({ labels: then }: Provenance, { labels: now }: Provenance): string[] {
  if (then.length !== now.length) return [`${then.length} labels, now there are ${now.length}`];
  const at = then.findIndex((name, id) => name !== now[id]);
  return at === -1 ? [] : [`labels of which number ${at} was "${then[at]}", now it is "${now[at]}"`];
}

function rowDifferences(then: Provenance, now: Provenance): string[] {
  const names = { train: "training", validation: "validation", test: "test", holdout: "held-out" } as const;
  return Object.entries(names).flatMap(([key, name]) => {
    const [before, after] = [then[key as keyof typeof names], now[key as keyof typeof names]];
    if (before === undefined) return [];
    if (before?.rows !== after?.rows)
      return [`${before?.rows ?? "no"} ${name} rows, now there are ${after?.rows ?? "none"}`];
    return before?.sha256 === after?.sha256 ? [] : [`other ${name} rows, though as many (${before?.rows})`];
  });
}
