// What the GGUF file of a reranker contains, what is said about it, and that it is read with the same scores.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, test, vi } from "vitest";
import { type ExportSettings, exportModel } from "../../../../src/app/commands/models/export.js";
import { load } from "../../../../src/app/commands/models/load.js";
import { openGguf } from "../../../../src/formats/gguf/file.js";
import { temporaryFolders } from "../../../formats/temporaryFolder.js";
import { bert, modernBert, PAIRS, ROWS, roberta, xlmRoberta } from "./rerankers.js";

const newFolder = temporaryFolders();
beforeEach(() => {
  vi.stubEnv("XDG_CACHE_HOME", newFolder());
});

const model = (write: (folder: string) => string) => write(join(newFolder(), "model"));

async function exported(of: string, settings: ExportSettings = {}) {
  const output = join(newFolder(), "out", "model.gguf");
  const { notes = [] } = await exportModel({ model: of, to: "gguf", outtype: "f32", output, ...settings });
  return { file: openGguf(output), notes, output };
}

/** Of more tokens than the models take, so that its longer text is cut. */
const LONG = { query: "old wall", document: "three long words on the board ".repeat(20) };

async function scoresOf(settings: Parameters<typeof load>[0]): Promise<number[]> {
  await using opened = await load({ ...settings, dtype: "float32" });
  return (await opened.predict([...ROWS, LONG])).map(({ score }) => score as number);
}

describe("read back", () => {
  test.each([
    ["XLM-RoBERTa", xlmRoberta],
    ["RoBERTa", roberta],
    ["BERT", bert],
  ] as const)("%s gives the scores of its folder", async (_, write) => {
    for (const activation of ["sigmoid", "identity", "tanh"] as const) {
      const folder = model((path) => write(path, { activation }));
      const { output } = await exported(folder);
      const own = await scoresOf({ model: folder });
      expect(new Set(own).size).toBe(PAIRS.length + 1);
      const found = await scoresOf({ model: output });
      for (const [i, score] of own.entries()) expect(found[i]).toBeCloseTo(score, 6);
    }
  });
});
