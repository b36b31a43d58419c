import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test, vi } from "vitest";
import { bidora, fresh } from "../support.js";
import { TINY } from "./support.js";

afterEach(() => vi.unstubAllEnvs());

test("a restart continues a run that its launch began, and no earlier one", async () => {
  const output = fresh("earlier");
  const words = ["finetune", ...TINY, "--max-steps", "1", "--batch-size", "2", "--output", output];
  const torchrun = (folder: string) => {
    mkdirSync(folder);
    return join(folder, "attempt_1", "0", "error.json");
  };
  const earlier = torchrun(fresh("torchrun"));
  await bidora(...words, "--quiet");
  vi.stubEnv("TORCHELASTIC_RESTART_COUNT", "1");
  const later = torchrun(fresh("torchrun"));
  for (const [name, began, ended] of [
    ["TORCHELASTIC_ERROR_FILE", later, /is not empty: name another folder/],
    ["TORCHELASTIC_ERROR_FILE", earlier, /has ended already/],
    ["BIDORA_LAUNCHED", String(Date.now()), /is not empty: name another folder/],
    ["BIDORA_LAUNCHED", String(Date.now() - 600_000), /has ended already/],
  ] as const) {
    vi.stubEnv(name, began);
    expect((await bidora(...words)).stderr).toMatch(ended);
  }
});
