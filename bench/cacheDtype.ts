// `npm run bench -- cache-dtype`: a key-value cache in int8 compared with one in the model's dtype: perplexity of a text, differences of the
// logits, bytes of a token, and in turns the time of a new token after a long text.
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { load } from "../src/app/commands/models/load.js";
import { SequenceBatch } from "../src/models/generation/index.js";
import { CACHE_DTYPES, type CacheDtype } from "../src/models/nn/index.js";
import { unpinEnvironment } from "./programs.js";
import { median } from "./turns/compare.js";

const { values } = parseArgs({
  options: {
    model: { type: "string" },
    text: { type: "string" },
    dtype: { type: "string", default: "auto" },
    windows: { type: "string", default: "8" },
    length: { type: "string", default: "512" },
    rounds: { type: "string", default: "5" },
  },
});
if (values.model === undefined || values.text === undefined)
  throw new Error("--model and --text are missing: give a language model and a file of text.");
unpinEnvironment();

const [windows, length] = [Number(values.windows), Number(values.length)];
const model = await load({ model: values.model, dtype: values.dtype as "auto" });
const { inputIds: ids } = await model.tokenizer.encode([readFileSync(values.text, "utf8")]);
if (ids.length < windows * length)
  throw new Error(`--text has ${ids.length} tokens, and ${windows * length} are needed.`);

/** Tokens of a pass, as where a long prompt is computed in parts. */
const PART = 64;

/** The logits after each token of a text, part by part. */
function* logitsOf(cacheDtype: CacheDtype, text: readonly number[]): Generator<Float32Array> {
  const batch = new SequenceBatch(model.module, 1, cacheDtype);
  for (let end = PART; end <= text.length; end += PART)
    yield* batch.logitsAfter([{ ids: text.slice(0, end), wanted: PART }])[0] as Float32Array[];
  batch.dispose();
}

function lossOf(logits: Float32Array, token: number): number {
  const most = logits.reduce((a, b) => Math.max(a, b));
  return most + Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit - most), 0)) - (logits[token] as number);
}

const sums = { auto: 0, int8: 0, squares: 0, spread: 0, most: 0, sameBest: 0, tokens: 0 };
for (let window = 0; window < windows; window++) {
  const text = ids.slice(window * length, (window + 1) * length);
  const rounded = logitsOf("int8", text);
  for (const [i, own] of [...logitsOf("auto", text)].entries()) {
    const other = rounded.next().value as Float32Array;
    const next = text[i + 1];
    if (next === undefined) continue;
    sums.auto += lossOf(own, next);
    sums.int8 += lossOf(other, next);
    sums.tokens++;
    const mean = own.reduce((sum, x) => sum + x, 0) / own.length;
    for (const [id, x] of own.entries()) {
      const apart = x - (other[id] as number);
      sums.squares += apart * apart;
      sums.spread += (x - mean) ** 2;
      sums.most = Math.max(sums.most, Math.abs(apart));
    }
    const best = own.indexOf(own.reduce((a, b) => Math.max(a, b)));
    sums.sameBest += best === other.indexOf(other.reduce((a, b) => Math.max(a, b))) ? 1 : 0;
  }
}
const perplexity = (loss: number) => Math.exp(loss / sums.tokens).toFixed(4);
process.stdout.write(
  `${sums.tokens} tokens: perplexity ${perplexity(sums.auto)}, with int8 ${perplexity(sums.int8)}; logits differ by ${(100 * Math.sqrt(sums.squares / sums.spread)).toFixed(2)} % of their deviation (root mean square), at most ${sums.most.toFixed(2)}; the most likely token is the same after ${((100 * sums.sameBest) / sums.tokens).toFixed(1)} % of the tokens\n`,
);

/** Seconds of a new token, and bytes of each. */
function timeOf(cacheDtype: CacheDtype): { readonly seconds: number; readonly bytes: number } {
  const batch = new SequenceBatch(model.module, 1, cacheDtype);
  const text = ids.slice(0, windows * length);
  batch.next([text.slice(0, -17)]);
  const times = Array.from({ length: 16 }, (_, i) => {
    const start = performance.now();
    batch.next([text.slice(0, text.length - 16 + i)]);
    return (performance.now() - start) / 1000;
  });
  const { bytesPerToken: bytes } = batch;
  batch.dispose();
  return { seconds: median(times), bytes };
}

const rounds = Array.from({ length: Number(values.rounds) }, () => CACHE_DTYPES.map(timeOf));
for (const [i, cacheDtype] of CACHE_DTYPES.entries()) {
  const of = rounds.map((round) => round[i] as ReturnType<typeof timeOf>);
  const milliseconds = 1000 * median(of.map(({ seconds }) => seconds));
  process.stdout.write(
    `${cacheDtype}: ${of[0]?.bytes} bytes a token, ${milliseconds.toFixed(1)} ms for a token after ${windows * length}\n`,
  );
}
model.dispose();
