// A project's program as an ES module: trains, loads, predicts, generates, and prints what came out as a line of JSON.
import { finetune, load } from "bidora";

const output = process.argv[2] ?? "runs/mjs";
const { metrics } = await finetune({
  model: "models/encoder",
  train: "rows.jsonl",
  validation: "rows.jsonl",
  output,
  overwrite: true,
  method: "dora",
  maxSteps: 60,
  batchSize: 4,
  learningRate: 1e-2,
  dtype: "float32",
});

const classifier = await load({ adapter: output });
const [prediction] = await classifier.predict([{ sentence1: "cold rain fell", sentence2: "cold rain" }]);
classifier.dispose();

const decoder = await load({ model: "models/decoder", dtype: "float32" });
const { text } = await decoder.generate("the small boat", { maxNewTokens: 6 });
decoder.dispose();

console.log(JSON.stringify({ metrics, label: prediction?.label, text }));
