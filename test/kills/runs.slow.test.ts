// Runs that are killed again and again end with the bytes of an undisturbed run: every method and optimizer, and whatever else has a state.
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { isLock } from "../../src/base/records/folderLock.js";
import { methodNames } from "../../src/tasks/config/methods.js";
import { OPTIMIZERS } from "../../src/torch/optim/index.js";
import { bidora, bytes, eventsIn, fresh, json, list, oneLayer, ROWS, stepsOf } from "../e2e/support.js";
import {
  afterTime,
  finished,
  isTemporaryOf,
  KILLS,
  killed,
  leftovers,
  type Moment,
  type Random,
  randomOf,
  stepsIn,
  whenFile,
} from "./killed.js";

const MODEL = oneLayer();
const VALIDATION = join(ROWS, "pairs.jsonl");
const STEPS = 5;

/** Settings with a state of their own; the cases take turns. */
const STATES: readonly (readonly string[])[] = [
  [],
  ["--gradient-accumulation", "2", "--max-grad-norm", "0.5"],
  ["--early-stopping", "3", "--learning-rate", "0.3"],
  ["--gradient-checkpointing"],
  ["--no-shuffle", "--drop-last"],
  ["--holdout-fraction", "0.2", "--schedule", "cosine"],
];
/** The same for searches. */
const SEARCHES: readonly (readonly string[])[] = [
  [],
  ["--search-folds", "3"],
  ["--gradient-accumulation", "2", "--unroll-steps", "2"],
  ["--search-patience", "1", "--upper-learning-rate", "0.1"],
  ["--warm-start", "--gradient-checkpointing"],
  ["--hypergradient", "finite-difference", "--no-shuffle"],
  ["--early-stopping", "3", "--search-folds", "2"],
];

interface Case {
  readonly method: string;
  readonly optimizer: string;
  readonly more: readonly string[];
}

const PAIRS = methodNames.flatMap((method) => Object.keys(OPTIMIZERS).map((optimizer) => ({ method, optimizer })));
const CASES: readonly Case[] = [
  ...PAIRS.map((pair, i) => {
    const states = pair.method === "bidora" ? SEARCHES : STATES;
    return { ...pair, more: states[i % states.length] as readonly string[] };
  }),
  ...SEARCHES.map((more) => ({ method: "bidora", optimizer: "adamw", more })),
  ...STATES.map((more) => ({ method: "dora", optimizer: "adamw", more })),
];

/** In the suite a few, chosen so that all parts of a run are met. */
const CHOSEN =
  KILLS > 2
    ? CASES
    : CASES.filter(({ method, more }) => method === "bidora" && more.includes("--search-folds")).slice(0, 1);

const flagsOf = ({ method, optimizer, more }: Case): string[] => [
  "finetune",
  ...["--model", MODEL, "--train", join(ROWS, "train.jsonl"), "--validation", VALIDATION],
  ...["--method", method, "--optimizer", optimizer, "--batch-size", "4", "--max-steps", String(STEPS)],
  ...(["bitfit", "full", "ia3", "adapter", "vera", "oft"].includes(method) ? [] : ["--dropout", "0.2"]),
  ...(more.includes("--learning-rate") ? [] : ["--learning-rate", "1e-2"]),
  ...["--eval-every", "1", "--save-every", "2", "--keep-checkpoints", "2", "--threads", "1", "--quiet"],
  ...more,
];

/** A moment in a run: a time, a step, an evaluation, a checkpoint, or the results at the end. */
function momentOf(random: Random): Moment {
  const step = 1 + Math.floor(2 * STEPS * random());
  const delay = 4 * random();
  const kinds = [
    () => afterTime(4000 * random()),
    () => whenFile(`at step ${step}`, (file, folder) => file === "events.jsonl" && stepsIn(folder) >= step, delay),
    () =>
      whenFile(
        `in the checkpoint after step ${step}`,
        (file, folder) => isTemporaryOf(file, "checkpoint-") && stepsIn(folder) >= step,
        5 * delay,
      ),
    () =>
      whenFile(
        "at the results",
        (file) => /^\.(adapter_|model\.|metrics|report|README|bidora\.json|predictions)/.test(file),
        10 * delay,
      ),
  ];
  return (kinds[Math.floor(kinds.length * random())] as () => Moment)();
}

/** Everything that a run leaves, but times. */
function results(output: string) {
  const weights = list(output).filter((name) => name.endsWith(".safetensors"));
  const steps = stepsOf(eventsIn(output)).map(({ seconds: _, time: __, ...rest }) => rest);
  return {
    files: list(output).filter((name) => !name.startsWith("checkpoint-") && !isLock(name)),
    weights: weights.map((name) => bytes(output, name)),
    metrics: json(join(output, "metrics.json")),
    side: json(join(output, "bidora.json")),
    steps,
  };
}

describe("a run that is killed and resumed ends with the bytes of an undisturbed one", () => {
  test.each(CHOSEN)(
    "$method, $optimizer, $more",
    async (one) => {
      const flags = flagsOf(one);
      const whole = fresh("whole");
      expect(await bidora(...flags, "--output", whole)).toMatchObject({ status: 0 });
      const output = fresh("killed");
      const random = randomOf(CASES.indexOf(one));
      const moments: string[] = [];
      for (let kill = 0; kill < KILLS; kill++) {
        const moment = momentOf(random);
        moments.push(moment.name);
        const resumed = [...flags, "--output", output, "--resume"];
        if (!(await killed(resumed, output, moment))) break;
      }
      await finished([...flags, "--output", output, "--resume"], output);
      expect(results(output), `killed ${moments.join(", ")}`).toEqual(results(whole));
      expect(leftovers(output)).toEqual([]);
    },
    100_000 + 60_000 * KILLS,
  );
});
