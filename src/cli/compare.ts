import type { Compared } from "../commands/compare.js";
import { compareOptions } from "../config/index.js";
import { defineCommand } from "./command.js";
import { downloadHooks } from "./downloadProgress.js";
import { INTERRUPTED } from "./interrupts.js";

export const compare = defineCommand({
  usage: "compare run.yaml [flags]",
  about:
    "Runs methods on tasks with several seeds, each run in a process of its own, and tells them apart: tables, tests, costs. Called again it goes on with what is missing. It takes the options of finetune, for all runs.",
  options: compareOptions,
  positionals: 1,
  interruptible: true,
  leavesFiles: true,
  run: async ({ given, positionals: [file], output, signal }) => {
    const { compare: runAll } = await import("../commands/compare.js");
    const show = ({ result, text, output: folder }: Compared): void =>
      output.result(result, `${text}\nTables and report: ${folder}`);
    const outcome = await runAll(given, file, {
      signal,
      onPartial: show,
      note: output.note,
      hub: { signal, ...downloadHooks(output) },
    });
    if (outcome.kind === "stopped") return INTERRUPTED;
    if (outcome.kind === "listed") output.result(outcome.commands, outcome.commands.join("\n"));
    if (outcome.kind === "expected") output.result(outcome.costs, outcome.text);
    if (outcome.kind === "compared") show(outcome);
    return 0;
  },
});
