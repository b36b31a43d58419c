import { join } from "node:path";
import { type JsonObject, readJsonObject } from "../../../../src/base/records/json.js";
import { openSafetensors, saveSafetensors } from "../../../../src/formats/safetensors/safetensors.js";
import * as torch from "../../../../src/torch/index.js";
import { BYTE_LEVEL, COMPOSED, cleaned, MODERNBERT, ROBERTA, UNIGRAM, WORD_PIECE } from "./encoders.js";
import { tinyReranker } from "./tinyModels.js";

/** Room for pairs of texts. */
const LONG = { max_position_embeddings: 130 };
const ROOM = { tokenizerConfig: { model_max_length: 110 } };

type Format = Parameters<typeof tinyReranker>[2];

export const xlmRoberta = (folder: string, format?: Format, change: JsonObject = {}): string =>
  tinyReranker(
    folder,
    { config: { ...LONG, ...ROBERTA, model_type: "xlm-roberta", ...change }, tokenizer: UNIGRAM, ...ROOM },
    format,
  );

export const camembert = (folder: string, format?: Format): string =>
  tinyReranker(
    folder,
    {
      config: { ...LONG, ...ROBERTA, model_type: "camembert" },
      tokenizer: UNIGRAM,
      tokenizerJson: cleaned(readJsonObject(join(UNIGRAM, "tokenizer.json"))),
      ...ROOM,
    },
    format,
  );

export const roberta = (folder: string, format?: Format): string =>
  tinyReranker(
    folder,
    { config: { ...LONG, ...ROBERTA, model_type: "roberta" }, tokenizer: BYTE_LEVEL, ...ROOM },
    format,
  );

/** BERT, whose second token type is random, or as the first. */
export function bert(
  folder: string,
  format?: Format,
  { tellsApart = false, config, ...change }: BertChange = {},
): string {
  tinyReranker(
    folder,
    { config: { ...LONG, model_type: "bert", ...config }, tokenizer: WORD_PIECE, ...ROOM, ...change },
    format,
  );
  if (!tellsApart) withOneType(folder);
  return folder;
}

interface BertChange {
  readonly tellsApart?: boolean;
  readonly config?: JsonObject;
  readonly tokenizerJson?: JsonObject;
  readonly tokenizerConfig?: JsonObject;
}

/** Makes the rows of the second token type as those of the first. */
function withOneType(folder: string): void {
  const path = join(folder, "model.safetensors");
  const file = openSafetensors(path);
  const tensors = file.names.map((name) => [name, file.readTensor(name)] as const);
  file.close();
  const alike = (table: torch.Tensor) => torch.contiguous(torch.expand(torch.narrow(table, 0, 0, 1), table.shape));
  const changed = tensors.map(
    ([name, tensor]) => [name, name.includes("token_type") ? alike(tensor) : tensor] as const,
  );
  saveSafetensors(path, changed, { format: "pt" });
}

export const modernBert = (folder: string, format?: Format, change: JsonObject = {}): string =>
  tinyReranker(
    folder,
    {
      config: { ...LONG, ...MODERNBERT, classifier_pooling: "mean", ...change },
      tokenizer: BYTE_LEVEL,
      tokenizerJson: COMPOSED,
      ...ROOM,
    },
    format,
  );

/** Pairs of several lengths, one with an empty text, some with characters that tokenizers replace or don't know. */
export const PAIRS = [
  ["small boat", "The small boat left the harbour"],
  ["", "old stone wall"],
  ["Über CAFÉ,  old (red) walls!\n\tand 漢字", "a teacher wrote three long words on the board"],
  ["river", ""],
  ["stone", "stone"],
] as const;

/** The pairs as rows. */
export const ROWS = PAIRS.map(([query, document]) => ({ query, document }));
