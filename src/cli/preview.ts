import type { Preview, PreviewPart, PreviewRow } from "../commands/preview.js";
import { oneLine } from "../common/messages.js";
import { previewOptions, readRunFile, resolveRun } from "../config/index.js";
import { defineCommand } from "./command.js";
import { downloadHooks } from "./downloadProgress.js";
import { stdout } from "./streams.js";

export const preview = defineCommand({
  usage: "preview [run.yaml] [flags]",
  about: "Shows training rows as the model gets them: tokens, what of them bears loss, and lengths.",
  options: previewOptions,
  positionals: 1,
  interruptible: true,
  run: async ({ given: { limit: _, ...given }, settings: { limit }, positionals: [file], output, signal }) => {
    const config = resolveRun(given, { file: file === undefined ? {} : readRunFile(file) });
    const { preview: read } = await import("../commands/preview.js");
    const found = await read(config, { limit, hub: { signal, ...downloadHooks(output) } });
    for (const row of found.rows) {
      const { parts: _parts, ...facts } = row;
      if (output.json) output.result(facts, "");
      else stdout.write(`${rowLines(row, stdout.isTTY)}\n`);
    }
    output.note(summary(found));
  },
});

/** What bears loss is green on a terminal, and stands in brackets of its own elsewhere. */
function rowLines({ line, length, parts, target }: PreviewRow, isColoured: boolean): string {
  const text = parts.map((part) => shown(part, isColoured)).join("");
  const aim = target === undefined ? "" : `\n  target ${oneLine(JSON.stringify(target))}`;
  return `line ${line}, ${length} tokens\n  ${text}${aim}`;
}

function shown({ text, bearsLoss }: PreviewPart, isColoured: boolean): string {
  const line = oneLine(text);
  if (!bearsLoss) return line;
  return isColoured ? `\x1b[32m${line}\x1b[0m` : `⟦${line}⟧`;
}

function summary({ lengths, bearing, maxLength }: Preview): string {
  const sum = lengths.reduce((a, b) => a + b, 0);
  const [least, most] = [lengths, lengths].map((all, i) =>
    all.reduce((a, b) => (a < b === (i === 0) ? a : b), all[0] ?? 0),
  );
  const mean = lengths.length === 0 ? 0 : sum / lengths.length;
  const full = lengths.filter((length) => length === maxLength).length;
  const loss = bearing === undefined ? "" : `, ${bearing} of which bear loss`;
  return `${lengths.length} rows of ${least} to ${most} tokens, ${mean.toFixed(1)} on average, ${sum} in all${loss}; ${full} as long as --max-length ${maxLength} allows.`;
}
