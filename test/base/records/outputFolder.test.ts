import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { temporaryPath } from "../../../src/base/records/atomic.js";
import { METRICS } from "../../../src/base/records/metrics.js";
import { MARKER } from "../../../src/base/records/names.js";
import { contentsOf, foreignInTheWay, removeOwnFiles } from "../../../src/base/records/outputFolder.js";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "bidora-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

function put(...names: readonly string[]): void {
  for (const name of names) {
    const path = join(folder, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, "");
  }
}

const left = () => readdirSync(folder).sort();

test("a folder's contents leave out locks and temporary files", () => {
  put("notes.txt", METRICS);
  writeFileSync(temporaryPath(join(folder, METRICS)), "");
  expect(left()).toHaveLength(3);
  expect(
    contentsOf(folder)
      .map(({ name }) => name)
      .sort(),
  ).toEqual([METRICS, "notes.txt"]);
});

test("only bidora's files and checkpoints are removed", () => {
  put(MARKER, METRICS, "adapter_config.json", "adapter_model.safetensors", "tokenizer.json", "events.jsonl");
  put("checkpoint-4/training_state.json", "checkpoint-4/adapter_model.safetensors", "checkpoint-8/config.json");
  put("analysis.html", "analysis.json", "tensorboard/events.out.tfevents.1764150000.bidora.12");
  put("notes.txt", "checkpoint-5/optimizer.pt", "checkpoint-x/training_state.json", "run.yaml/mine.txt");
  removeOwnFiles(folder);
  expect(left()).toEqual(["checkpoint-5", "checkpoint-x", "notes.txt", "run.yaml"]);
});

describe("files in the way of a run", () => {
  test("bidora's files and unrelated names are not in the way", () => {
    put(MARKER, METRICS, "checkpoint-4/training_state.json", "notes.txt", "checkpoint-x/notes.txt");
    expect(foreignInTheWay(folder)).toBeUndefined();
  });

  test.each([
    ...["checkpoint-5/optimizer.pt", "run.yaml/mine.txt", "checkpoint-7"],
    ...["tensorboard", "tensorboard/events.out.tfevents.1764150000.host.12.0", "tensorboard/bidora.1/x"],
  ])("another's %s", (path) => {
    put(METRICS, path);
    expect(foreignInTheWay(folder)).toBe(path.split("/")[0]);
  });
});
