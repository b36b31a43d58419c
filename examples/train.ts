// Trains with a loop over the run's events, and stops it after some seconds: node build/examples/train.js [MODEL] [TRAIN] [OUTPUT] [SECONDS]
import { train } from "bidora";

const [
  model = "sentence-transformers/all-MiniLM-L6-v2",
  rows = "examples/data/sms_spam/train.tsv",
  output = "runs/watched",
  seconds = "20",
] = process.argv.slice(2);

const settings = {
  ...{ model, train: rows, output, overwrite: true, maxSteps: 100, batchSize: 16 },
  ...({ task: "sequence-classification", method: "lora" } as const),
};

let spent = 0;
let average: number | undefined;
let isDone = false;

// The events are those of events.jsonl. The run waits while one is handled.
for await (const event of train(settings)) {
  isDone = event.event === "done";
  if (event.event !== "step") continue;
  average = average === undefined ? event.loss : 0.9 * average + 0.1 * event.loss;
  console.log(`${String(event.step).padStart(4)} ${"#".repeat(Math.round(40 * average))} ${average.toFixed(3)}`);
  spent += event.seconds;
  // Leaving the loop stops the run and saves a checkpoint.
  if (spent > Number(seconds)) break;
}

console.log(
  isDone ? `Done, in ${output}.` : `Out of time: \`bidora finetune ${output}/run.yaml --resume\` continues it.`,
);
