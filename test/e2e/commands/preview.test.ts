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

  it("prints one JSON object per row, and one of their lengths", async () => {
    const { stdout } = await bidora(...flags, "--json", "--quiet", "--train-on", "all");
    const [first, second, lengths, ...more] = stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(second).toEqual({
      line: 2,
      length: 3,
      inputIds: expect.any(Array),
      text: "ab</s>",
      parts: [
        { text: "a", bearsLoss: false },
        { text: "b</s>", bearsLoss: true },
      ],
      bearsLoss: [false, true, true],
    });
    const tokens = first.length + 3;
    const sizes = { rows: 2, least: 3, most: first.length, mean: tokens / 2, median: tokens / 2, tokens };
    expect(lengths).toMatchObject({ lengths: { ...sizes, trained: tokens - 2, maxLength: 64, full: 0, cut: 0 } });
    expect(first.text).toBe("the boat\x1b[31m left</s>");
    expect(more).toEqual([]);
  });

  it("says how many tokens each row loses to the maximum length", async () => {
    const { stdout } = await bidora(...flags, "--max-length", "8");
    expect(stdout).toContain("line 1, 8 tokens and ");
    const { stdout: whole } = await bidora(...flags, "--json", "--quiet");
    const { stdout: short, stderr } = await bidora(...flags, "--json", "--max-length", "8");
    const rowsOf = (text: string) => text.split("\n", 3).map((line) => JSON.parse(line));
    const [[all], [cut, other, { lengths }]] = [rowsOf(whole), rowsOf(short)];
    expect([cut.length, cut.cut, other.cut]).toEqual([8, all.length - 8, undefined]);
    expect(lengths).toMatchObject({ full: 1, cut: 1, cutTokens: all.length - 8, maxLength: 8 });
    expect(stderr).toContain(`; 1 as long as --max-length 8 allows; 1 lose ${all.length - 8} tokens to it.`);
  });

  it("counts what both answers to a prompt lose, and nothing of a text that is continued", async () => {
    const firstOf = async (task: string, row: object, ...more: string[]) => {
      const argv = ["--model", decoder(), "--task", task, "--train", jsonl(row, row), "--json", "--quiet", ...more];
      return JSON.parse((await bidora("preview", ...argv)).stdout.split("\n")[0]!);
    };
    const answers = { prompt: "the", chosen: " boat left the harbour", rejected: " rain fell on the boat" };
    const [all, short] = [
      await firstOf("preference", answers),
      await firstOf("preference", answers, "--max-length", "6"),
    ];
    expect(short.cut).toBe(all.length - short.length);
    expect(short.parts.map(({ name }: { name: string }) => name)).toEqual(["prompt", "chosen", "rejected"]);
    const row = { text: "the boat left the harbour" };
    const half = (await firstOf("causal-lm", row)).length / 2;
    const text = await firstOf("causal-lm", row, "--max-length", String(half));
    expect([text.length, text.cut]).toEqual([half, undefined]);
  });

  it("counts what both texts of a pair lose", async () => {
    const train = jsonl({ a: "cold rain fell on the boat", b: "a boat", label: "x" }, { a: "a", b: "a", label: "y" });
    const model = ["--model", SMALL.model, "--task", "sequence-classification", "--text-columns", "a,b"];
    const argv = ["preview", ...model, "--label-column", "label", "--train", train, "--json", "--quiet"];
    const { stdout } = await bidora(...argv, "--max-length", "7");
    const { stdout: whole } = await bidora(...argv);
    const [first, last] = [stdout, whole].map((text) => JSON.parse(text.split("\n")[0]!));
    expect(first.cut).toBe(last.length - 7);
    expect(JSON.parse(stdout.trimEnd().split("\n").at(-1)!).labels).toEqual(["x", "y"]);
  });

  it("gives each token as text where each has a label", async () => {
    const train = jsonl(
      { tokens: ["cold", "rain"], tags: ["O", "B-X"] },
      { tokens: ["a", "boat"], tags: ["O", "B-X"] },
    );
    const model = ["--model", SMALL.model, "--task", "token-classification", "--text-columns", "tokens"];
    const argv = ["preview", ...model, "--label-column", "tags", "--train", train, "--json", "--quiet"];
    const [first, , { labels }] = (await bidora(...argv)).stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(first.tokens).toEqual(["[CLS]", "cold", "rain", "[SEP]"]);
    expect(first.target.map((id: number) => labels[id])).toEqual([undefined, "O", "B-X", undefined]);
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
