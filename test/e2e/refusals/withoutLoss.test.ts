import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { evaluate } from "../../../src/app/commands/models/evaluate.js";
import { GOLDEN, jsonl, run } from "../support.js";

const LLAMA = join(GOLDEN, "generation", "llama");
const CUT = { prompt: "the small boat left the harbour before the storm", completion: " came in" };
const WHOLE = { prompt: "a", completion: " b" };
const SETTINGS = { model: LLAMA, task: "causal-lm", maxLength: 8, dtype: "float32" } as const;
const rows = jsonl;

describe("rows without tokens to train on", () => {
  test("are counted in a note for training, validation and test rows", async () => {
    const training = { ...SETTINGS, method: "lora", maxSteps: 1, batchSize: 1 } as const;
    const [train, validation] = [rows(WHOLE, CUT), rows(CUT, WHOLE, CUT)];
    const { notes } = await run({ ...training, train, validation });
    expect(notes).toEqual([
      "1 of 2 training rows do not count in the loss: they have no labeled tokens within --max-length.",
      "2 of 3 validation rows do not count in the loss: they have no labeled tokens within --max-length.",
      "3 of the 3 validation rows are also training rows: scores on them are not scores on new rows.",
    ]);
    const heard: string[] = [];
    await evaluate({ ...SETTINGS, data: validation }, { hub: { onNote: (note) => heard.push(note) } });
    expect(heard).toEqual([notes[1]?.replace("validation", "evaluation")]);
  });

  test("are refused before training if there are no others", async () => {
    const none = rows(CUT);
    await expect(evaluate({ ...SETTINGS, data: none })).rejects.toThrow(
      /1 of 1 evaluation rows do not count in the loss/,
    );
    const both = { ...SETTINGS, method: "lora", maxSteps: 1, train: rows(WHOLE), validation: none } as const;
    await expect(run(both)).rejects.toThrow(/1 of 1 validation rows do not count in the loss/);
  });
});
