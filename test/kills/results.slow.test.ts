// Commands that write a result: killed at any moment they leave it whole or not at all, and run again they leave the same bytes.
import { existsSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { BERT, fresh, ROWS } from "../e2e/support.js";
import { afterTime, entries, finished, KILLS, killed, leftovers, type Moment, randomOf, whenFile } from "./killed.js";

const LLAMA = join(BERT, "..", "llama");
const both = (family: string, model: string, adapter: string) => [
  ...["--model", join(family, model), "--adapter", join(family, "adapters", adapter)],
];

/** Each command, and its result: a folder with the file that marks it as complete, or a file. */
const COMMANDS = {
  merge: { argv: ["merge", ...both(BERT, "single", "lora")], output: "merged", mark: "config.json" },
  "export to ONNX": {
    argv: ["export", "--to", "onnx", ...both(BERT, "single", "dora")],
    output: "onnx",
    mark: "config.json",
  },
  "export to PEFT": {
    argv: ["export", "--to", "peft-lora", "--rank", "4", ...both(BERT, "single", "dora")],
    output: "lora",
    mark: "adapter_config.json",
  },
  "export of an adapter to GGUF": {
    argv: ["export", "--to", "gguf-lora", ...both(LLAMA, "lm", "lm-dora")],
    output: "adapter.gguf",
  },
  predict: {
    argv: ["predict", ...both(BERT, "single", "lora"), "--input", join(ROWS, "texts.jsonl")],
    output: "predictions.jsonl",
  },
} as const satisfies Record<string, { argv: readonly string[]; output: string; mark?: string }>;

const contents = (path: string): Record<string, string> =>
  Object.fromEntries(
    (statSync(path).isDirectory() ? entries(path).map((name) => join(path, name)) : [path])
      .filter((file) => statSync(file).isFile() && !file.endsWith(".tmp") && !file.includes(".bidora-lock"))
      .map((file) => [file.slice(dirname(path).length), readFileSync(file, "base64")]),
  );

/** A time in the command's start, or a moment while it writes. */
function momentOf(random: () => number): Moment {
  const delay = 20 * random();
  return random() < 0.3
    ? afterTime(3000 * random())
    : whenFile("at the first file", (file) => file.startsWith("."), delay);
}

describe("a killed command leaves its result whole or not at all", () => {
  test.each(Object.entries(COMMANDS).slice(0, KILLS > 2 ? undefined : 1))(
    "%s",
    async (name, { argv, output, ...rest }) => {
      const folders = [fresh("whole"), fresh("killed")] as const;
      const [whole, again] = folders.map((folder) => join(folder, output)) as [string, string];
      const flags = [...argv, "--overwrite", "--output"];
      await finished([...flags, whole], folders[0]);
      const expected = contents(whole);
      const random = randomOf(1000 + Object.keys(COMMANDS).indexOf(name));
      const mark = "mark" in rest ? join(again, rest.mark as string) : again;
      for (let kill = 0; kill < KILLS; kill++) {
        const moment = momentOf(random);
        await killed([...flags, again], "mark" in rest ? again : folders[1], moment);
        if (existsSync(mark)) expect(contents(again), moment.name).toEqual(expected);
      }
      await finished([...flags, again], folders[1]);
      expect(contents(again)).toEqual(expected);
      if ("mark" in rest) expect(leftovers(again)).toEqual([]);
    },
    100_000 + 30_000 * KILLS,
  );
});
