import { quickstartOptions } from "../config/index.js";
import type { QuickstartResult } from "../run/quickstart.js";
import { defineCommand } from "./command.js";
import { downloadHooks } from "./downloadProgress.js";
import { observersFor } from "./observers.js";
import { formatTable } from "./output.js";

export const quickstart = defineCommand({
  usage: "quickstart [flags]",
  about: "Fetches a small encoder, trains it on real text messages with each method and compares them.",
  options: quickstartOptions,
  positionals: 0,
  interruptible: true,
  leavesFiles: true,
  run: async ({ settings, output, signal }) => {
    const { quickstart: compare } = await import("../run/quickstart.js");
    const hub = { signal, ...downloadHooks(output) };
    const result = await compare(settings, { signal, observers: observersFor(output), note: output.note, hub });
    if (!signal.aborted) output.result(result, renderComparison(result));
  },
});

function renderComparison({ rows, output }: QuickstartResult): string {
  const metrics = Object.keys(rows[0]?.metrics ?? {});
  const table = formatTable(
    ["method", ...metrics, "trained", "seconds", "peak MiB"],
    rows.map((row) => [
      row.method,
      ...metrics.map((name) => row.metrics[name] ?? 0),
      row.trainedParameters,
      Math.round(row.seconds),
      Math.round(row.peakMemoryBytes / 2 ** 20),
    ]),
  );
  const best = rows.at(-1)?.method ?? "bidora";
  return `
${table}

Curves of all methods:  ${output}/report.html
Adapters for PEFT:      ${rows.map(({ method }) => `${output}/${method}`).join(", ")}

Try one of them on your own messages (one JSON object a line, with "text"):
  echo '{"text":"You have won a prize, call now!"}' > rows.jsonl
  npx bidora predict --adapter ${output}/${best} --input rows.jsonl --output predictions.jsonl

Train on your own data (JSONL, CSV, TSV or Parquet with a text and a label column):
  npx bidora finetune --model sentence-transformers/all-MiniLM-L6-v2 --task sequence-classification \\
    --train train.csv --validation validation.csv --output runs/mine
`;
}
