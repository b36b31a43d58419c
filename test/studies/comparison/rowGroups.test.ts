import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type RowRecord, writeRowRecord } from "../../../src/base/records/rowRecord.js";
import { rowGroupsOf } from "../../../src/studies/comparison/results/rowGroups.js";
import { exampleKey, sampleOf } from "../../../src/tasks/data/exampleKeys.js";
import { fresh } from "../../e2e/support.js";

const output = () => fresh("comparison");

/** Keys of rows with numbers from one to another. */
const keys = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, i) => exampleKey({ input: [`row ${from + i}`], at: { file: "f", line: 1 } }));

const recorded = (rows: readonly string[]) => ({ rows: rows.length, keys: sampleOf(rows) });

function run(folder: string, task: string, seed: number, settings: string, record?: RowRecord) {
  const own = join(folder, task, "lora", `seed-${seed}`);
  mkdirSync(own, { recursive: true });
  writeFileSync(join(own, "run.yaml"), settings);
  if (record) writeRowRecord(own, record);
  return { task, folder: own };
}

const record = (train: readonly string[], validation: readonly string[], test?: readonly string[]): RowRecord => ({
  train: recorded(train),
  validation: recorded(validation),
  ...(test && { test: recorded(test) }),
});

const validation = { rows: { split: "validation" } } as const;
const tasks = (...names: readonly string[]) => names.map((name) => ({ name, ...validation }));

describe("tasks share rows", () => {
  const folder = output();
  const of = (task: string, rows: RowRecord, seed = 0) => run(folder, task, seed, `train: ${task}.csv\n`, rows);

  it("that they train on or are scored on, wherever their files are; others are in no group", () => {
    const runs = [
      of("apart", record(keys(500, 600), keys(600, 700))),
      of("few", record(keys(0, 20), keys(100, 110))),
      of("many", record(keys(0, 40), keys(110, 120))),
      of("scored", record(keys(200, 240), keys(115, 125))),
    ];
    expect(rowGroupsOf(tasks("apart", "few", "many", "scored"), runs)).toEqual([
      { tasks: ["few", "many", "scored"], share: ["training rows", "evaluated rows"] },
    ]);
  });

  it("through a third task, which comes after both of their own groups", () => {
    const runs = [
      of("a", record(keys(0, 10), keys(100, 110))),
      of("b", record(keys(10, 20), keys(110, 120))),
      of("c", record(keys(5, 15), keys(120, 130))),
    ];
    expect(rowGroupsOf(tasks("a", "b", "c"), runs)).toEqual([{ tasks: ["a", "b", "c"], share: ["training rows"] }]);
  });

  it("if one trains on what another is scored on, or another seed's sample has them", () => {
    const runs = [
      of("a", record(keys(0, 20), keys(20, 30))),
      of("b", record(keys(40, 50), keys(50, 60))),
      of("b", record(keys(20, 30), keys(50, 60)), 1),
    ];
    expect(rowGroupsOf(tasks("a", "b"), runs)).toEqual([
      { tasks: ["a", "b"], share: ["rows that one trains on and another evaluates"] },
    ]);
  });

  it("of the split that their scores are of", () => {
    const runs = [
      of("a", record(keys(0, 20), keys(20, 30), keys(30, 40))),
      of("b", record(keys(50, 60), keys(20, 30), keys(40, 50))),
    ];
    const tested = tasks("a", "b").map((task) => ({ ...task, rows: { split: "test" } as const }));
    expect(rowGroupsOf(tested, runs)).toEqual([]);
    expect(rowGroupsOf(tasks("a", "b"), runs)).toHaveLength(1);
  });

  it("not if data sets with rows of their own are in one folder, as GLUE's are", () => {
    const runs = ["mrpc", "rte"].map((name, i) =>
      run(
        folder,
        name,
        0,
        `data: glue\ntask: glue/${name}\n`,
        record(keys(20 * i, 20 * i + 10), keys(-10 * i - 9, -10 * i)),
      ),
    );
    expect(rowGroupsOf(tasks("mrpc", "rte"), runs)).toEqual([]);
  });

  it("of which both samples have some, however large the files are", () => {
    const large = keys(0, 60_000);
    const drawn = large.filter((_, i) => i % 83 === 7);
    const runs = [of("all", record(large, keys(-9, -1))), of("drawn", record(drawn, keys(-29, -21)))];
    expect(rowGroupsOf(tasks("all", "drawn"), runs)).toEqual([{ tasks: ["all", "drawn"], share: ["training rows"] }]);
  });
});

describe("runs that recorded no rows", () => {
  it("share what is in the same file or folder, or in files with the same checksum", () => {
    const folder = output();
    const runs = [
      run(folder, "a", 0, "train: train.csv\nvalidation: one.csv\n"),
      run(folder, "b", 0, "train: ./train.csv\nvalidation: two.csv\n"),
      run(folder, "c", 0, "train: other.csv\nvalidation: copy.csv\n"),
      run(folder, "d", 0, "train: own.csv\nvalidation: own-too.csv\n"),
      run(folder, "e", 0, "data: glue\ntask: glue/mrpc\n"),
      run(folder, "f", 0, "data: glue/../glue\ntask: glue/mrpc\n"),
    ];
    const plan = {
      "a/lora/seed-0": { settings: {}, data: { "train.csv": "1", "one.csv": "2", "model.safetensors": "9" } },
      "c/lora/seed-0": { settings: {}, data: { "other.csv": "3", "copy.csv": "2", "model.safetensors": "9" } },
      "d/lora/seed-0": { settings: {}, data: { "own.csv": "5", "own-too.csv": "6", "model.safetensors": "9" } },
    };
    writeFileSync(join(folder, "comparison-plan.json"), JSON.stringify(plan));
    expect(rowGroupsOf(tasks("a", "b", "c", "d", "e", "f"), runs)).toEqual([
      { tasks: ["a", "b", "c"], share: ["files"] },
      { tasks: ["e", "f"], share: ["files"] },
    ]);
  });
});
