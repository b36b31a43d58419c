/** Scores of documents for a query, as `predict` gives them. */
import { type EncodedExample, tokensIn } from "../../tasks/index.js";
import type { InferenceModel } from "../inference/open.js";
import { usualLengthFor } from "../inference/predictions.js";
import { pairRows, scoreRows } from "../inference/scoreTexts.js";
import { invalid } from "./apiError.js";
import type { RerankRequest } from "./requests/rerank.js";
import { jsonInParts } from "./responses/common.js";
import type { ServedModel } from "./servedModel.js";
import { Turns } from "./turns.js";

/** How many tokens are computed before other requests have their turn. A longer pair is computed alone. */
const TURN = 256;
/** The most characters of a document. */
const MOST_CHARACTERS = 2 ** 19;
/** The most characters of a query, which is tokenized with each document: for each of the model's positions, and at least. */
const PER_POSITION = 32;
const LEAST_CHARACTERS = 2 ** 16;

/** The scores of a request's documents, in order. */
export interface ScoredDocuments {
  readonly scores: readonly number[];
  readonly tokens: number;
}

export class Reranker {
  readonly #turns: Turns;

  constructor(private readonly served: ServedModel) {
    this.#turns = new Turns(served.routes);
  }

  /** @throws ApiError 400 for a text that is too long */
  async score({ model, query, documents }: RerankRequest, signal: AbortSignal): Promise<ScoredDocuments> {
    const { base, adapters, metadata } = this.served;
    const open = { ...base, metadata: metadata.get(model) };
    const maxLength = usualLengthFor(open);
    checkLength("query", query, Math.max(LEAST_CHARACTERS, PER_POSITION * maxLength));
    for (const [i, text] of documents.entries()) checkLength(`documents.${i}`, text, MOST_CHARACTERS);
    const scores: number[] = [];
    let tokens = 0;
    for await (const part of parts(open, { query, documents }, maxLength, signal)) {
      scores.push(
        ...(await this.#turns.take(adapters.get(model), signal, () =>
          scoreRows(open, part, { batchSize: part.length, signal }),
        )),
      );
      tokens += tokensIn(part);
    }
    return { scores, tokens };
  }
}

/** The encoded pairs, in parts of a turn. */
async function* parts(
  open: InferenceModel,
  { query, documents }: Pick<RerankRequest, "query" | "documents">,
  maxLength: number,
  signal: AbortSignal,
): AsyncGenerator<readonly EncodedExample[]> {
  let part: EncodedExample[] = [];
  for (const [i, document] of documents.entries()) {
    signal.throwIfAborted();
    const rows = await pairRows(open, { query, documents: [document], first: i }, maxLength);
    if (part.length > 0 && tokensIn([...part, ...rows]) > TURN) {
      yield part;
      part = [];
    }
    part.push(...rows);
  }
  yield part;
}

function checkLength(name: string, { length }: string, most: number): void {
  if (length > most) throw invalid(`${name} has ${length} characters; the server takes ${most}: shorten it.`, name);
}

/** The response of `/v1/rerank` as JSON: the best documents first, of equal ones the first. */
export function rerankJson(request: RerankRequest, { scores, tokens }: ScoredDocuments): Promise<string> {
  const { model, documents, top_n: count, return_documents: withTexts } = request;
  const ranked = [...scores.entries()].sort(([, a], [, b]) => b - a).slice(0, count);
  const entries = ranked.map(([index, score]) => ({
    index,
    relevance_score: score,
    ...(withTexts && { document: { text: documents[index] } }),
  }));
  const response = { object: "list", model, results: [], usage: { prompt_tokens: tokens, total_tokens: tokens } };
  return jsonInParts(response, "results", entries);
}
