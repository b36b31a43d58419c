// The same program in TypeScript: compiled with --strict, without skipLibCheck, then run.
import { type FinetuneSettings, finetune, load, type Metrics, type Model, type Prediction } from "bidora";

const output = "runs/ts";
const settings: FinetuneSettings = {
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
};
const { metrics }: { metrics: Metrics } = await finetune(settings);

const classifier: Model = await load({ adapter: output });
const [prediction]: readonly Prediction[] = await classifier.predict([
  { sentence1: "cold rain fell", sentence2: "cold rain" },
]);
classifier.dispose();

const decoder = await load({ model: "models/decoder", dtype: "float32" });
const { text } = await decoder.generate("the small boat", { maxNewTokens: 6 });
decoder.dispose();

console.log(JSON.stringify({ metrics, label: prediction?.label, text }));

// @ts-expect-error a rank is a number
export const wrong = (): unknown => finetune({ ...settings, rank: "4" });
