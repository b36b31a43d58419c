// Watches a run and stops it cleanly when its time is up: node build/examples/ownObserver.js [MODEL] [TRAIN] [OUTPUT] [SECONDS]
import { finetune, type RunEvent } from "bidora";

const [
  model = "sentence-transformers/all-MiniLM-L6-v2",
  train = "examples/data/sms_spam/train.tsv",
  output = "runs/watched",
  seconds = "20",
] = process.argv.slice(2);

const budget = new AbortController();
let spent = 0;
let smooth: number | undefined;

/** Prints the loss as a bar, and stops the run when its steps have taken long enough. */
function watch(event: RunEvent): void {
  if (event.event !== "step") return;
  smooth = smooth === undefined ? event.loss : 0.9 * smooth + 0.1 * event.loss;
  spent += event.seconds;
  console.log(`${String(event.step).padStart(4)} ${"#".repeat(Math.round(40 * smooth))} ${smooth.toFixed(3)}`);
  if (spent > Number(seconds)) budget.abort();
}

await finetune(
  {
    ...{ model, train, output, overwrite: true },
    ...{ task: "sequence-classification", method: "lora", maxSteps: 100, batchSize: 16 },
  },
  { observers: [watch], signal: budget.signal },
);

if (budget.signal.aborted) console.log(`Out of time: \`bidora finetune ${output}/run.yaml --resume\` continues.`);
else console.log(`Done, in ${output}.`);
