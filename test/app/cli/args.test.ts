import { describe, expect, test } from "vitest";
import { parseArguments } from "../../../src/app/cli/args.js";
import { reportCommand } from "../../../src/app/commands/report.js";
import { UsageError } from "../../../src/base/errors.js";
import { runFile, runOptions } from "../../../src/tasks/config/index.js";

const parse = (...argv: string[]) => parseArguments(runOptions, argv);

describe("values", () => {
  test.each([
    ["--rank 4", { rank: 4 }],
    ["--rank=4", { rank: 4 }],
    ["--learning-rate 2e-3", { learningRate: 0.002 }],
    ["--xi optimizer", { xi: "optimizer" }],
    ["--xi 1", { xi: 1 }],
    ["--text-columns sentence1,sentence2", { textColumns: ["sentence1", "sentence2"] }],
    ["--target-modules query,value", { targetModules: ["query", "value"] }],
    ["--target-modules all-linear", { targetModules: "all-linear" }],
    ["--target-modules layer\\.[01]\\..*query", { targetModules: "layer\\.[01]\\..*query" }],
    ["--rank-pattern layer.0=4,value=16", { rankPattern: { "layer.0": 4, value: 16 } }],
    ["--no-shuffle --drop-last", { shuffle: false, dropLast: true }],
    ["--shuffle=false", { shuffle: false }],
    ["--rank 4 --rank 8", { rank: 8 }],
  ])("%s", (line, expected) => {
    expect(parse(...line.split(" ")).given).toEqual(expected);
  });

  test("only what was set is given, and plain words are the positional settings", () => {
    const table = { ...runFile, ...runOptions };
    const { given, help } = parseArguments(table, ["run.yaml", "--seed", "1"]);
    expect(given).toEqual({ runFile: "run.yaml", seed: 1 });
    expect(help).toBeUndefined();
    expect(() => parseArguments(table, ["run.yaml", "other.yaml"], "finetune [run.yaml]")).toThrow(
      'Unexpected "other.yaml"; usage: bidora finetune [run.yaml]',
    );
    expect(() => parseArguments(table, ["--run-file", "run.yaml"])).toThrow('Unknown flag "--run-file"');
  });

  test("a repeatable positional setting takes all plain words", () => {
    const { options } = reportCommand;
    expect(parseArguments(options, ["runs/a", "--overwrite", "runs/b"]).given).toEqual({
      runs: ["runs/a", "runs/b"],
      overwrite: true,
    });
  });

  test("--help and --help-all ask for two lengths of help", () => {
    expect(parse("-h").help).toBe("screen");
    expect(parse("--help-all").help).toBe("all");
  });
});

describe("wrong usage", () => {
  test.each([
    ["--rank x", '--rank takes a whole number of at least 1; got "x".'],
    ["--rank 0", '--rank takes a whole number of at least 1; got "0".'],
    ["--rank 1.5", '--rank takes a whole number of at least 1; got "1.5".'],
    ["--rank", "--rank takes a whole number of at least 1; got nothing."],
    ["--rank --alpha 3", "--rank takes a whole number of at least 1; got nothing."],
    ["--learning-rate -1", '--learning-rate takes a number of at least 0; got "-1".'],
    ["--learning-rate Infinity", '--learning-rate takes a number of at least 0; got "Infinity".'],
    ["--dropout 1", '--dropout takes a number of at least 0 and below 1; got "1".'],
    ["--method bidroa", '; got "bidroa". Did you mean "bidora"?'],
    ["--schedule cosin", '--schedule takes linear, cosine or constant; got "cosin". Did you mean "cosine"?'],
    ["--task glue/mprc", /^--task takes sequence-classification, .*; got "glue\/mprc"\. Did you mean "glue\/mrpc"\?$/],
    ["--rnak 3", 'Unknown flag "--rnak". Did you mean "--rank"?'],
    ["--learningRate 3", 'Unknown flag "--learningRate". Did you mean "--learning-rate"?'],
    ["--no-shuffel", 'Unknown flag "--no-shuffel". Did you mean "--no-shuffle"?'],
    ["--lr 3", /^Unknown flag "--lr"\.$/],
    ["--qqqqqqqq", /^Unknown flag "--qqqqqqqq"\.$/],
    ["--no-rank", "--no-rank does not exist: --rank takes a value."],
    ["--no-shuffle=false", "--no-shuffle takes no value."],
    ["--shuffle=maybe", '--shuffle takes true or false; got "maybe".'],
    ["--target-modules (query", /^--target-modules takes module names/],
    ["--rank-pattern query", /^--rank-pattern takes pairs/],
  ])("%s", (line, message) => {
    const attempt = () => parse(...line.split(" "));
    expect(attempt).toThrow(UsageError);
    expect(attempt).toThrow(message);
  });
});
