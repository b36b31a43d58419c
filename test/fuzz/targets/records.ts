// What runs leave and later commands read: logs, predictions, comparisons, checkpoints.
import { existsSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { analyze } from "../../../src/app/commands/analyze.js";
import { finetune } from "../../../src/app/commands/finetune.js";
import { report } from "../../../src/app/commands/report.js";
import { CHECKSUMS, writeChecksums } from "../../../src/base/records/checksums.js";
import { dropEventsAfter, EVENTS } from "../../../src/base/records/runLog.js";
import { EARLIER_ROOT } from "../../support/golden.js";
import { goldenFolders, placedFolder, workFolder } from "../files.js";
import { mutatedFolder, mutatedJsonText, mutatedText } from "../mutations.js";
import { target } from "../target.js";

/** Lines of JSON of which some are mutated. */
function mutatedLines(content: string): fc.Arbitrary<string> {
  const lines = content.trimEnd().split("\n");
  const changes = fc.array(fc.tuple(fc.nat(lines.length - 1), mutatedJsonText(lines)), { minLength: 1, maxLength: 3 });
  const mutated = changes.map((given) => {
    const by = new Map(given);
    return `${lines.map((line, i) => by.get(i) ?? line).join("\n")}\n`;
  });
  return fc.oneof(mutated, mutatedText([content]));
}

const mutatedRecord = (path: string, content: string): fc.Arbitrary<string> | undefined => {
  if (path.endsWith(".jsonl")) return mutatedLines(content);
  return path.endsWith(".json") && !/tokenizer|adapter_config/.test(path) ? mutatedJsonText([content]) : undefined;
};

/** A command that writes one file, and nothing if it is refused. */
async function leavesNothing(run: (output: string) => Promise<unknown>): Promise<void> {
  const output = join(workFolder(), "output");
  mkdirSync(output, { recursive: true });
  const file = join(output, `${Date.now()}-${Math.random()}.html`);
  try {
    await run(file);
  } catch (error) {
    if (readdirSync(output).length > 0) throw new Error(`the refused command left ${readdirSync(output).join(", ")}`);
    throw error;
  } finally {
    for (const name of readdirSync(output)) (await import("node:fs")).rmSync(join(output, name), { recursive: true });
  }
}

const reports = target({
  name: "events.jsonl",
  inTests: 5,
  inputs: mutatedFolder(goldenFolders("earlier/finished", "earlier/stopped", "earlier/quickstart"), (path, content) =>
    path.startsWith("checkpoint") ? undefined : mutatedRecord(path, content),
  ),
  async run(input) {
    const folder = placedFolder(input);
    if (existsSync(join(folder, EVENTS))) dropEventsAfter(join(placedFolder(input), EVENTS), 2);
    const runs = placedFolder(input);
    await leavesNothing((output) => report({ runs: [runs], output }));
  },
});

const comparisons = target({
  name: "comparison.json",
  inTests: 4,
  inputs: mutatedFolder(goldenFolders("earlier/comparison"), mutatedRecord),
  async run(input) {
    const folder = placedFolder(input);
    await leavesNothing((output) => report({ runs: [folder], output }));
  },
});

const analyses = target({
  name: "analyze",
  inTests: 3,
  inputs: mutatedFolder(goldenFolders("earlier/finished"), (path, content) => {
    if (path.includes("/") || path.endsWith("predictions.jsonl")) return undefined;
    if (path.endsWith(".yaml")) return mutatedText([content]);
    return /adapter_config|bidora\.json|analysis/.test(path) ? mutatedJsonText([content]) : undefined;
  }),
  async run(input) {
    const folder = placedFolder(input);
    process.chdir(EARLIER_ROOT);
    await analyze({ runs: [folder] } as never);
  },
});

const STATE = "checkpoint-3/training_state.json";

const checkpoints = target({
  name: "checkpoint",
  inTests: 2,
  inputs: fc.record({
    folder: mutatedFolder(goldenFolders("earlier/stopped"), (path, content) => {
      if (path === STATE || path.endsWith("/bidora.json") || path.endsWith("adapter_config.json"))
        return mutatedJsonText([content]);
      if (path === EVENTS) return mutatedLines(content);
      if (path.endsWith(CHECKSUMS)) return mutatedText([content]);
      return path.endsWith("training_state.safetensors") ? mutatedText([content], 0.2) : undefined;
    }),
    /** Whether the checksums are those of the mutated files. */
    isSealed: fc.oneof(fc.constant(true), fc.boolean()),
  }),
  async run({ folder, isSealed }) {
    const output = placedFolder(folder);
    if (isSealed) await writeChecksums(join(output, "checkpoint-3"));
    process.chdir(EARLIER_ROOT);
    const data = {
      train: "test/golden/rows/train.jsonl",
      validation: "test/golden/rows/pairs.jsonl",
      test: "test/golden/rows/train.jsonl",
    };
    const model = {
      model: "test/golden/bert/dropout",
      method: "bidora",
      task: "sequence-classification",
      rank: 2,
      dropout: 0.2,
    } as const;
    const steps = {
      maxSteps: 4,
      retrainSteps: 4,
      batchSize: 4,
      learningRate: 1e-2,
      evalEvery: 2,
      seed: 3,
      threads: 1,
      dtype: "float32",
    } as const;
    await finetune({ ...model, ...data, ...steps, output, resume: true });
  },
});

export const recordTargets = [reports, comparisons, analyses, checkpoints];
