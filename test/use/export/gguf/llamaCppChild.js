// llama.cpp, through node-llama-cpp, in a process of its own. Reads a list of questions as JSON from stdin, and writes their answers to stdout.
// Exit status 3: there is no binary for this machine.
import { readFileSync } from "node:fs";
import { getLlama, LlamaEmbeddingContext, LlamaRankingContext, NoBinaryFoundError } from "node-llama-cpp";

/** Keys and values are not rounded. */
const EXACT = { flashAttention: false, experimentalKvCacheKeyType: "F32", experimentalKvCacheValueType: "F32" };

/** Nothing may be fetched or compiled. */
async function open() {
  try {
    return await getLlama({ build: "never", skipDownload: true, gpu: false, progressLogs: false, logLevel: "error" });
  } catch (error) {
    if (error instanceof NoBinaryFoundError) process.exit(3);
    throw error;
  }
}

const questions = JSON.parse(readFileSync(0, "utf8"));
const llama = await open();
const answers = [];
for (const question of questions) answers.push(await answer(question));
process.stdout.write(JSON.stringify(answers), () => process.exit(0));

async function answer({ model: modelPath, adapter, rows, newTokens, texts, embeds = false, pairs }) {
  const model = await llama.loadModel({ modelPath, gpuLayers: 0 });
  if (embeds) return embeddings(model, rows, texts);
  if (pairs) return rankings(model, pairs);
  const inContext = async (length, use) => {
    // At its end a context drops its first tokens.
    const size = { contextSize: length + 8, batchSize: length + 8 };
    const lora = adapter === undefined ? {} : { lora: { adapters: [{ filePath: adapter, scale: 1 }] } };
    const context = await model.createContext({ ...size, ...lora, ...EXACT, threads: 1 });
    const result = await use(context.getSequence());
    await context.dispose();
    return result;
  };
  const probabilities = [];
  const tokens = [];
  for (const row of rows) {
    probabilities.push(await inContext(row.length, (sequence) => distributions(sequence, row)));
    tokens.push(await inContext(row.length + newTokens, (sequence) => greedy(sequence, row, newTokens)));
  }
  const facts = factsOf(model, texts);
  await model.dispose();
  return { probabilities, tokens, ...facts };
}

/** The tokens of texts, without those around a text, and what the model's file says. */
function factsOf(model, texts) {
  const words = texts.map((text) => Array.from(model.tokenize(text)));
  const { bos, eos, eot, sep, shouldPrependBosToken: addsBos, shouldAppendEosToken: addsEos } = model.tokens;
  return { words, about: { trainContextSize: model.trainContextSize, bos, eos, eot, sep, addsBos, addsEos } };
}

/** The pooled states of each row of tokens, which hold those around a text; not normalized. */
async function embeddings(model, rows, texts) {
  const size = Math.max(...rows.map(({ length }) => length)) + 8;
  const found = [];
  for (const row of rows) {
    const sizes = { contextSize: size, batchSize: size, threads: 1 };
    const context = new LlamaEmbeddingContext({
      _llamaContext: await model.createContext({ ...sizes, ...EXACT, _embeddings: true }),
    });
    found.push((await context.getEmbeddingFor(row)).vector);
    await context.dispose();
  }
  const facts = factsOf(model, texts);
  await model.dispose();
  return { embeddings: found, ...facts };
}

/** The outputs for pairs, with their tokens as llama.cpp's server puts them; and the scores of node-llama-cpp, which always has a separator. */
async function rankings(model, pairs) {
  const facts = factsOf(model, []);
  const addsSep = model.fileInfo.metadata.tokenizer.ggml.add_sep_token;
  const { bos, eos, sep, addsBos, addsEos } = facts.about;
  const end = addsEos ? [eos] : [];
  const tokens = (text) => Array.from(model.tokenize(text));
  const rows = pairs.map(([query, document]) => [
    ...(addsBos ? [bos] : []),
    ...tokens(query),
    ...end,
    ...(addsSep ? [sep] : []),
    ...tokens(document),
    ...end,
  ]);
  const size = Math.max(...rows.map(({ length }) => length)) + 8;
  const sizes = { contextSize: size, batchSize: size, threads: 1 };
  const context = new LlamaRankingContext({
    _llamaContext: await model.createContext({ ...sizes, ...EXACT, _embeddings: true, _ranking: true }),
  });
  const [outputs, scores] = [[], []];
  for (const row of rows) outputs.push(logit(await context._evaluateRankingForInput(row)));
  for (const [query, document] of pairs) scores.push(await context.rank(query, document));
  await context.dispose();
  await model.dispose();
  return { rows, outputs, scores, ...facts };
}

/** The inverse of the sigmoid, which node-llama-cpp puts on outputs. */
function logit(score) {
  return Math.log(score / (1 - score));
}

/** Of each token of a row, how likely every token is to follow it. */
async function distributions(sequence, row) {
  const options = { temperature: 1, topK: 0, topP: 1, minP: 0 };
  const input = row.map((token) => [token, { generateNext: { probabilities: true, options } }]);
  const found = await sequence.controlledEvaluate(input);
  return found.map(({ next }) => [...next.probabilities].sort(([a], [b]) => a - b).map(([, p]) => p));
}

/** llama.cpp's greedy continuation of a row. */
async function greedy(sequence, row, newTokens) {
  const found = [];
  for await (const token of sequence.evaluate(row, { temperature: 0, yieldEogToken: true })) {
    found.push(token);
    if (found.length === newTokens) break;
  }
  return found;
}
