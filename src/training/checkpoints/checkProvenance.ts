// Whether a run is resumed with the inputs that its checkpoint was made from.
import { BidoraError } from "../../base/index.js";
import type { Provenance } from "../../base/records/index.js";

/** @throws BidoraError `CHECKPOINT_PROVENANCE` that names every input that has changed */
export function checkProvenance(path: string, then: Provenance, now: Provenance): void {
  const found = [...fileDifferences(then, now), ...labelDifferences(then, now), ...rowDifferences(then, now)];
  if (found.length === 0) return;
  throw new BidoraError(
    "CHECKPOINT_PROVENANCE",
    `${path} was made from ${found.join("; and from ")}: resume with the original inputs, or start a new run in another --output.`,
  );
}

const FILES = {
  config: "a different config.json of the base model",
  weights: "different weights of the base model",
  tokenizer: "a different tokenizer",
  adapter: "a different adapter to start from",
  embedding: "a model that makes embeddings in another way (its pooling, normalization, length or prompts)",
  generation: "a different generation_config.json of the base model",
  sources: "different sources of the training rows",
} as const;

function fileDifferences(then: Provenance, now: Provenance): string[] {
  return Object.entries(FILES).flatMap(([key, words]) => {
    const [before, after] = [then, now].map((files) => files[key as keyof typeof FILES] ?? undefined);
    return before === undefined || after === undefined || before === after ? [] : [words];
  });
}

function labelDifferences({ labels: then }: Provenance, { labels: now }: Provenance): string[] {
  if (then.length !== now.length) return [`${then.length} labels, now there are ${now.length}`];
  const at = then.findIndex((name, id) => name !== now[id]);
  return at === -1 ? [] : [`different labels: number ${at} was "${then[at]}", now it is "${now[at]}"`];
}

function rowDifferences(then: Provenance, now: Provenance): string[] {
  const names = {
    train: "training",
    upper: "upper level's",
    validation: "validation",
    test: "test",
    holdout: "held-out",
  } as const;
  return Object.entries(names).flatMap(([key, name]) => {
    const [before, after] = [then[key as keyof typeof names], now[key as keyof typeof names]];
    if (before === undefined) return [];
    if (before?.rows !== after?.rows)
      return [`${before?.rows ?? "no"} ${name} rows, now there are ${after?.rows ?? "none"}`];
    return before?.sha256 === after?.sha256 ? [] : [`different ${name} rows, though the same number (${before?.rows})`];
  });
}
