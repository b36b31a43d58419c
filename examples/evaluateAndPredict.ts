// Evaluates the adapter of examples/finetune.ts and predicts with it: node build/examples/evaluateAndPredict.js [ADAPTER] [DATA]
import { evaluate, predict } from "bidora";

const [adapter = "runs/example", data = "examples/data/sms_spam/test.tsv"] = process.argv.slice(2);

// The adapter names its base model; text and label columns are those of its training data.
const { metrics, rows } = await evaluate({ adapter, data });
console.log(`On ${rows} rows:`, metrics);

// `await predict(…)` returns all predictions, `for await` one at a time; with `output` they are also written to a file.
const output = `${adapter}/predictions.jsonl`;
const counts = new Map<unknown, number>();
for await (const { label } of predict({ adapter, input: data, output, overwrite: true }))
  counts.set(label, (counts.get(label) ?? 0) + 1);
console.log(`In ${output}:`, counts);
