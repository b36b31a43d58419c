// Measures and uses what examples/finetune.ts made: node build/examples/evaluateAndPredict.js [ADAPTER] [DATA]
import { readFileSync } from "node:fs";
import { evaluate, predict } from "bidora";

const [adapter = "runs/example", data = "examples/data/sms_spam/test.tsv"] = process.argv.slice(2);

// The adapter names its base model; so do the columns of text and label follow from what it was trained on.
const { metrics, rows } = await evaluate({ adapter, data });
console.log(`On ${rows} rows:`, metrics);

const output = `${adapter}/predictions.jsonl`;
await predict({ adapter, input: data, output, overwrite: true });

const [first] = readFileSync(output, "utf8").split("\n");
console.log(`The first of the predictions in ${output}: ${first}`);
