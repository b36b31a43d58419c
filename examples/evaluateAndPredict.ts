// Evaluates and uses the adapter of examples/finetune.ts: node build/examples/evaluateAndPredict.js [ADAPTER] [DATA]
import { evaluate, predict } from "bidora";

const [adapter = "runs/example", data = "examples/data/sms_spam/test.tsv"] = process.argv.slice(2);

// The adapter names its base model; the columns of text and label are those that it was trained on.
const { metrics, rows } = await evaluate({ adapter, data });
console.log(`On ${rows} rows:`, metrics);

// `await predict(…)` gives all predictions; with `output` they are written to a file as well.
const output = `${adapter}/predictions.jsonl`;
const counts = new Map<unknown, number>();
for await (const { label } of predict({ adapter, input: data, output, overwrite: true }))
  counts.set(label, (counts.get(label) ?? 0) + 1);
console.log(`In ${output}:`, counts);
