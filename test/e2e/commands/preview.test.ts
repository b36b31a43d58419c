import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { bidora, fresh, GOLDEN, jsonl, ROWS, SMALL } from "../support.js";

/** A decoder's folder without weights, which nothing here reads. */
function decoder(): string {
  const folder = fresh("decoder");
  mkdirSync(folder, { recursive: true });
  for (const name of ["tokenizer.json", "tokenizer_config.json", "chat_template.jinja"])
    copyFileSync(join(GOLDEN, "chat/tokenizers/byte-level", name), join(folder, name));
  const sizes = {
    vocab_size: 400,
    hidden_size: 8,
    intermediate_size: 16,
    num_hidden_layers: 1,
    num_attention_heads: 2,
  };
  const config = { model_type: "llama", architectures: ["LlamaForCausalLM"], max_position_embeddings: 64, ...sizes };
  writeFileSync(join(folder, "config.json"), JSON.stringify(config));
  return folder;
}

describe("preview", () => {
  const rows = jsonl({ prompt: "the boat\x1b[31m", completion: " left" }, { prompt: "a", completion: "b" });
  const flags = ["preview", "--model", decoder(), "--task", "causal-lm", "--train", rows];

  it("shows tokens that are trained on in brackets, and the lengths of all rows", async () => {
    const { status, stdout, stderr } = await bidora(...flags, "--limit", "1");
    expect(stdout).toMatch(/^line 1, \d+ tokens\n {2}the boat\\x1b\[31m⟦ left<\/s>⟧\n$/);
    expect(stderr).toMatch(
      /^2 rows of 3 to \d+ tokens, .* in all, \d+ of which are trained on; 0 as long as --max-length 64/,
    );
    expect(status).toBe(0);
  });

  it("prints one JSON object per row", async () => {
    const { stdout } = await bidora(...flags, "--json", "--quiet", "--train-on", "all");
    const [first, second, ...more] = stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(second).toEqual({
      line: 2,
      length: 3,
      inputIds: expect.any(Array),
      text: "ab</s>",
      bearsLoss: [false, true, true],
    });
    expect(first.text).toBe("the boat\x1b[31m left</s>");
    expect(more).toEqual([]);
  });

  it("shows pairs to learn embeddings from, which have no target", async () => {
    const train = jsonl({ anchor: "cold rain", positive: "rain fell" }, { anchor: "a boat", positive: "a ship" });
    const argv = ["--model", join(GOLDEN, "bert/no-prefix"), "--task", "embedding", "--train", train, "--limit", "1"];
    const { stdout } = await bidora("preview", ...argv);
    expect(stdout).toMatch(/^line 1, \d+ tokens\n {2}\[CLS\] cold rain \[SEP\] \[CLS\] rain fell \[SEP\]\n$/);
  });

  it("shows the rows of any task with their targets", async () => {
    const model = ["--model", SMALL.model, "--task", "sequence-classification"];
    const { stdout, status } = await bidora("preview", ...model, "--train", join(ROWS, "train.jsonl"), "--limit", "1");
    expect(stdout).toMatch(/^line 1, \d+ tokens\n {2}\[CLS\].*\[SEP\].*\[SEP\]\n {2}target \d\n$/);
    expect(status).toBe(0);
  });
});
