/** The table of commands. */

import type { Command, Context } from "../commands/command.js";
import type { LaunchSettings } from "../commands/launch.js";
import type { Output } from "./output.js";

/** Carries out a command that does more in the terminal than print its result. @returns the exit status */
type InTerminal = (said: unknown, context: Context, output: Output) => Promise<number>;

export interface Entry {
  readonly about: string;
  /** Loads the command's modules when it is called, so that `bidora --help` is quick. */
  load(): Promise<Command>;
  /** Whether it computes: libtorch is then loaded from the start, while modules and files are read. */
  readonly usesEngine: boolean;
  readonly inTerminal?: () => Promise<InTerminal>;
  /** Whether Ctrl-C lets it save its state and finish, instead of ending the process at once. */
  readonly isInterruptible: boolean;
  /** Whether it runs until it is stopped, so that SIGTERM is its orderly end. */
  readonly isService: boolean;
  /** Whether it trains together with others if a launcher starts several. */
  readonly isRank: boolean;
}

type Module = Readonly<Record<string, unknown>>;

/** A command with its line in `bidora --help` and its module in `src/app/commands`, which exports a `NAMECommand`. */
function entry(about: string, load: () => Promise<Module>, traits: Partial<Entry> = {}): Entry {
  const command = async (): Promise<Command> =>
    Object.entries(await load()).find(([name]) => name.endsWith("Command"))![1] as Command;
  return {
    about,
    load: command,
    usesEngine: false,
    isInterruptible: false,
    isService: false,
    isRank: false,
    ...traits,
  };
}

const trains = { usesEngine: true, isInterruptible: true };
const computes = { usesEngine: true };
const waits = { isInterruptible: true };

/** Every command by name, in the order of `bidora --help`. */
export const COMMANDS: Readonly<Record<string, Entry>> = {
  quickstart: entry(
    "compare LoRA and DoRA on real data in a few minutes",
    () => import("../commands/quickstart.js"),
    trains,
  ),
  studio: entry("do all of this in a browser", () => import("../studio/studio.js"), { ...waits, isService: true }),
  init: entry("write a run.yaml from a file of rows", () => import("../init/init.js"), {
    ...waits,
    inTerminal: async () => (await import("./init.js")).initInTerminal as unknown as InTerminal,
  }),
  finetune: entry("train a model", () => import("../commands/finetune.js"), { ...trains, isRank: true }),
  launch: entry("train on several processes of this machine", () => import("../commands/launch.js"), {
    inTerminal: async () => {
      const { launchInTerminal } = await import("./launch.js");
      return (settings, hooks) => launchInTerminal(settings as LaunchSettings, hooks, commandsThatTrain());
    },
  }),
  evaluate: entry("compute metrics on labeled rows", () => import("../commands/models/evaluate.js"), trains),
  predict: entry("write one JSON line per row", () => import("../commands/models/predict.js"), trains),
  generate: entry("generate text", () => import("../commands/models/generate.js"), {
    ...trains,
    inTerminal: async () => (await import("./generate.js")).generateInTerminal as unknown as InTerminal,
  }),
  serve: entry("serve models by OpenAI's protocol", () => import("../commands/models/serve.js"), {
    ...trains,
    isService: true,
  }),
  mine: entry("find hard negatives for embedding rows", () => import("../commands/models/mine.js"), trains),
  compare: entry("compare methods, with significance tests", () => import("../commands/compare.js"), waits),
  merge: entry("merge an adapter into its base model", () => import("../commands/models/merge.js"), computes),
  export: entry(
    "export an adapter or a model to another format",
    () => import("../commands/models/export.js"),
    computes,
  ),
  preview: entry("show training rows as the model sees them", () => import("../commands/preview.js"), waits),
  estimate: entry("predict a run's memory, time and parameter count", () => import("../commands/estimate.js"), waits),
  config: entry("show a run's settings and where each comes from", () => import("../commands/config.js"), waits),
  inspect: entry("show what is in a model or an adapter", () => import("../commands/models/inspect.js")),
  report: entry("write an HTML report of runs", () => import("../commands/report.js")),
  analyze: entry("measure how weights moved in runs", () => import("../commands/analyze.js"), computes),
  "verify-hypergradient": entry(
    "compare hypergradient estimators with the exact one",
    () => import("../commands/verifyHypergradient.js"),
    trains,
  ),
  download: entry(
    "download a model from the Hub into the cache",
    () => import("../commands/models/download.js"),
    waits,
  ),
  doctor: entry("check the engine: libtorch, BLAS, threads, bfloat16", () => import("../commands/doctor.js")),
  setup: entry("build the engine where there is none", () => import("../commands/setup.js"), waits),
};

const commandsThatTrain = () =>
  Object.fromEntries(
    Object.entries(COMMANDS).flatMap(([name, { isRank, load }]) => (isRank ? [[name, load] as const] : [])),
  );

/** The command of that name, or undefined. */
export const commandNamed = (name = ""): Entry | undefined => BY_NAME.get(name);

const BY_NAME: ReadonlyMap<string, Entry> = new Map(Object.entries(COMMANDS));
