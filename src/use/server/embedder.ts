/** Embeddings of texts, as `predict` gives them. */

import type { EncodedEmbeddingExample } from "../../tasks/index.js";
import { configuredTask, namedTask } from "../../tasks/index.js";
import { embedRows, tokenRowsOf } from "../inference/embedTexts.js";
import type { InferenceModel } from "../inference/open.js";
import { usualLengthFor } from "../inference/predictions.js";
import { invalid } from "./apiError.js";
import { refuseUnknownIds } from "./prompts.js";
import type { EmbeddingsRequest } from "./requests/embeddings.js";
import type { Input } from "./requests/inputs.js";
import { jsonInParts } from "./responses/common.js";
import type { ServedModel } from "./servedModel.js";
import { Turns } from "./turns.js";

/** How many texts are computed before those of another request have their turn. */
const TURN = 32;
/** The most characters of a text, in all of which places to split it are looked for; its start is tokenized. */
const MOST_CHARACTERS = 2 ** 19;

/** The embeddings of a request's inputs, in order. */
export interface EmbeddedInputs {
  readonly vectors: readonly (readonly number[])[];
  readonly tokens: number;
}

export class Embedder {
  readonly #turns: Turns;
  readonly #opened = new Map<string, InferenceModel>();

  constructor(private readonly served: ServedModel) {
    this.#turns = new Turns(served.routes);
  }

  /**
   * The embeddings of texts, which are truncated to the model's length, or of token ids, which get no special tokens.
   * @param model one of the served names
   * @throws ApiError 400 for ids that are unknown or too many; BidoraError for a text without tokens
   */
  async embed(model: string, inputs: readonly Input[], signal: AbortSignal): Promise<EmbeddedInputs> {
    const open = this.#open(model);
    const maxLength = usualLengthFor(open);
    for (const input of inputs) {
      if (typeof input === "string") checkLength(input);
      else checkIds(input, maxLength, open.model.config.vocabSize);
    }
    const vectors: (readonly number[])[] = [];
    let tokens = 0;
    for (let start = 0; start < inputs.length; start += TURN) {
      const rows: EncodedEmbeddingExample[] = [];
      for (const [i, input] of inputs.slice(start, start + TURN).entries()) {
        signal.throwIfAborted();
        rows.push(typeof input === "string" ? await rowOf(open, input, maxLength, start + i) : rowOfIds(input));
      }
      const compute = () => embedRows(open, rows, { batchSize: TURN, signal });
      vectors.push(...(await this.#turns.take(this.served.adapters.get(model), signal, compute)));
      tokens += rows.reduce((sum, { inputIds }) => sum + inputIds.length, 0);
    }
    return { vectors, tokens };
  }

  /** The base model with a served model's own task, whose pooling may be the adapter's. */
  #open(model: string): InferenceModel {
    const found = this.#opened.get(model);
    if (found) return found;
    const { base, metadata } = this.served;
    const own = metadata.get(model);
    const pooling = own?.pooling ?? base.task.embedding?.pooling;
    const source = { folder: base.folder, width: base.model.config.hiddenSize, settings: { pooling } };
    const open = { ...base, ...configuredTask(namedTask("embedding"), source), metadata: own };
    this.#opened.set(model, open);
    return open;
  }
}

/** The row of a text. @param place the number of inputs before it */
async function rowOf(
  open: InferenceModel,
  text: string,
  maxLength: number,
  place: number,
): Promise<EncodedEmbeddingExample> {
  const at = { file: `input ${place + 1}`, line: 0 };
  const [row] = await tokenRowsOf(open, [{ text, at }], { maxLength });
  return row as EncodedEmbeddingExample;
}

function checkLength({ length }: string): void {
  if (length > MOST_CHARACTERS)
    throw invalid(
      `The input has a text of ${length} characters; the server takes ${MOST_CHARACTERS}: shorten it.`,
      "input",
    );
}

function checkIds(ids: readonly number[], maxLength: number, vocabSize: number): void {
  refuseUnknownIds(ids, vocabSize, "input");
  if (ids.length > maxLength)
    throw invalid(`The input has ${ids.length} token ids; the model takes ${maxLength}.`, "input");
}

function rowOfIds(ids: readonly number[]): EncodedEmbeddingExample {
  const at = { file: "input", line: 0 };
  return { inputIds: ids, tokenTypeIds: ids.map(() => 0), lengths: [ids.length], skipped: [0], target: undefined, at };
}

/** The response of `/v1/embeddings` as JSON. */
export function embeddingsJson(
  { model, encoding_format }: EmbeddingsRequest,
  { vectors, tokens }: EmbeddedInputs,
): Promise<string> {
  const response = { object: "list", data: [], model, usage: { prompt_tokens: tokens, total_tokens: tokens } };
  return jsonInParts(response, "data", entries(vectors, encoding_format));
}

function* entries(vectors: EmbeddedInputs["vectors"], format: EmbeddingsRequest["encoding_format"]): Iterable<object> {
  for (const [index, vector] of vectors.entries())
    yield { object: "embedding", index, embedding: format === "base64" ? base64(vector) : vector };
}

/** The bytes of float32 numbers, little-endian. */
function base64(vector: readonly number[]): string {
  const bytes = Buffer.alloc(4 * vector.length);
  for (const [i, value] of vector.entries()) bytes.writeFloatLE(value, 4 * i);
  return bytes.toString("base64");
}
