// What `bidora download --json` prints while files arrive.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test, vi } from "vitest";
import { downloadEvents } from "../../../src/app/cli/hooks.js";
import { bidora, fresh, ROWS } from "../../e2e/support.js";
import { fakeHubs } from "../../formats/fakeHubs.js";
import { GOLDEN } from "../../support/golden.js";

const MODEL = join(GOLDEN, "bert/single");
const newHub = fakeHubs();
afterEach(() => {
  vi.unstubAllEnvs();
  vi.useRealTimers();
  vi.restoreAllMocks();
});

test("the events of a download come before its result, and no other command has them", async () => {
  const { hub, endpoint } = await newHub();
  for (const file of readdirSync(MODEL))
    hub.files[file] = { content: readFileSync(join(MODEL, file)), large: file === "model.safetensors" };
  const cache = fresh("cache");
  vi.stubEnv("HF_ENDPOINT", endpoint);
  vi.stubEnv("HF_HUB_CACHE", cache);
  const { stdout } = await bidora("download", "org/model", "--json");
  const lines = stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
  const total = Object.values(hub.files).reduce((sum, { content }) => sum + content.length, 0);
  expect(lines.at(-2)).toEqual({
    event: "download",
    file: "model.safetensors",
    receivedBytes: total,
    totalBytes: total,
  });
  expect(lines.at(-1)).toEqual({ path: expect.stringContaining(cache) });
  const received = lines.slice(0, -1).map(({ receivedBytes }) => receivedBytes);
  expect(received).toEqual([...received].sort((a, b) => a - b));
  expect((await bidora("download", "org/model")).stdout).toBe(`${lines.at(-1).path}\n`);
  vi.stubEnv("HF_HUB_CACHE", fresh("cache"));
  const rows = ["--task", "sequence-classification", "--train", join(ROWS, "train.jsonl"), "--limit", "1"];
  const previewed = await bidora("preview", "--model", "org/model", ...rows, "--json", "--quiet");
  expect([previewed.status, previewed.stdout.trimEnd().split("\n").length]).toEqual([0, 2]);
});

test("of many pieces a few a second are told, and the last one before a pause", () => {
  vi.useFakeTimers();
  const printed: number[] = [];
  vi.spyOn(process.stdout, "write").mockImplementation(
    (line) => printed.push(JSON.parse(String(line)).receivedBytes) > 0,
  );
  const tell = downloadEvents();
  const at = (receivedBytes: number) => tell({ file: "f", receivedBytes, totalBytes: 100 });
  for (const bytes of [1, 2, 3]) at(bytes);
  expect(printed).toEqual([1]);
  vi.advanceTimersByTime(250);
  expect(printed).toEqual([1, 3]);
  vi.advanceTimersByTime(1000);
  expect(printed).toEqual([1, 3]);
  for (const bytes of [4, 5, 100]) at(bytes);
  expect(printed).toEqual([1, 3, 4, 100]);
  vi.advanceTimersByTime(1000);
  expect(printed).toEqual([1, 3, 4, 100]);
});
