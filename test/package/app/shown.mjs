// Shows an error as the command does.
import { finetune } from "bidora";

finetune({ model: "models/encoder", train: "rows.jsonl", output: "runs/shown" }).catch(({ message, exitStatus }) => {
  console.error(`bidora: ${message}`);
  process.exitCode = exitStatus;
});
