/** `bidora inspect`: shows the contents of a model or an adapter. */
import { formatCount, oneLine, shownPath } from "../../../base/index.js";
import { type AppliesWhen, choices, type Given, option, text } from "../../../base/settings/index.js";
import { DENSE } from "../../../models/index.js";
import { baseModel, session } from "../../../tasks/config/index.js";
import {
  type AdapterInspection,
  type AdapterSettings,
  ENGINE_NAMES,
  type EngineVerdict,
  type Inspection,
  inspectFolder,
  inWords,
  judge,
  type ModelInspection,
  type TensorFacts,
} from "../../../use/inference/index.js";
import { call, defineCommand, formatTable, required } from "../command.js";

const withEngines: AppliesWhen = {
  only: "with --for",
  holds: (settings) => settings.for !== undefined,
};

const options = {
  path: option(text("PATH"), { group: "Data", help: "folder of a model or an adapter", positional: true }),
  for: option(choices(ENGINE_NAMES), {
    group: "Data",
    help: "say which of these programs run it, which do not and why, and the commands that change that",
    placeholder: "ENGINES",
  }),
  model: {
    ...baseModel.model,
    group: "Data",
    help: "base model of the adapter",
    defaultText: "named by the adapter",
    appliesWhen: withEngines,
  },
  ...session,
};

/** What `inspect` takes: the path of a model or an adapter. */
export type InspectSettings = Given<typeof options>;

/** What is in a model or an adapter, and with `for` the verdicts of other programs. */
export type InspectResult = Inspection & { readonly engines?: readonly EngineVerdict[] };

export const inspectCommand = defineCommand({
  usage: "inspect [--for ENGINES] PATH",
  about: "Shows what is in a model or an adapter, or which other programs run it.",
  options,
  hooks: [],
  async run({ path, for: engines, model }): Promise<InspectResult> {
    const name = required(path, "The path of a model or an adapter");
    const inspected = await inspectFolder(name);
    const found = { ...inspected, path: shownPath(inspected.path) };
    return engines === undefined ? found : { ...found, engines: await judge(inspected, engines, { name, model }) };
  },
  show: (found) => ({ value: found, text: renderInspection(found) }),
});

/**
 * Inspects the folder of a model or an adapter, and finds why other commands would refuse it. With `for` also says which of the named
 * programs run it, from facts about their versions of November 2026; none of them is called.
 */
export const inspect = (settings: InspectSettings): Promise<InspectResult> =>
  call("inspect", inspectCommand, settings, {});

/** An inspection as text: the verdicts of other programs if there are any, else the contents. */
export function renderInspection(found: InspectResult): string {
  if (found.engines) return [renderVerdicts(found.engines), ...refusalLines(found)].join("\n");
  const facts = found.kind === "model" ? modelFacts(found) : adapterFacts(found);
  const width = Math.max(...facts.map(([name]) => name.length));
  return [
    ...facts.map(([name, value]) => `${name.padEnd(width)}  ${oneLine(value)}`),
    "",
    ...tensorLines(found.tensors),
    "",
    ...(found.refusals.length === 0 ? ["Nothing in it is refused."] : refusalLines(found)),
  ].join("\n");
}

const refusalLines = ({ refusals }: Inspection): string[] => refusals.map((why) => `Refused: ${oneLine(why)}`);

/** A table of the verdicts, then the notes and the commands of each program. */
function renderVerdicts(verdicts: readonly EngineVerdict[]): string {
  const rows = verdicts.flatMap(({ engine, takes, reasons }) => {
    const [first = "", ...others] = reasons;
    return [[engine, takes, first], ...others.map((reason) => ["", "", reason])];
  });
  return [formatTable(["engine", "takes it", "why"], rows), ...verdicts.flatMap(adviceLines)].join("\n");
}

function adviceLines({ engine, takes, notes, commands }: EngineVerdict): string[] {
  if (notes.length + commands.length === 0) return [];
  const title = takes === "yes" || commands.length === 0 ? `${engine}:` : `${engine}, after these commands:`;
  return [
    "",
    title,
    ...notes.map((note) => `  ${oneLine(note)}`),
    ...commands.map((command) => `  $ ${oneLine(command)}`),
  ];
}

type Fact = readonly [name: string, value: string];

function modelFacts(model: ModelInspection): Fact[] {
  const { head, embedding } = model;
  return [
    ["model", model.path],
    ["family", model.modelType ?? "unknown"],
    ["architecture", model.architectures.join(", ") || "unknown"],
    ["head", head ? [head.kind, ...(head.labels.length > 0 ? [head.labels.join(", ")] : [])].join(": ") : "none"],
    ...(embedding ? [["embeddings", embeddingFacts(embedding)] as const] : []),
    ...sizeFacts(model),
    ["default targets", model.defaultTargetModules.join(", ") || "none"],
    ["tokens", tokenFact(model)],
    ["trains for", model.tasks.join(", ") || "no task"],
  ];
}

const tokenFact = ({ vocabSize, maxTokens }: ModelInspection): string =>
  vocabSize === null
    ? "unknown"
    : `${formatCount(vocabSize)} in the vocabulary, ${maxTokens === null ? "any number" : `up to ${formatCount(maxTokens)}`} in a text`;

function embeddingFacts(format: Partial<NonNullable<ModelInspection["embedding"]>>): string {
  const { pooling, normalizes, maxLength, prompts = {}, defaultPrompt } = format;
  const names = Object.keys(prompts).map((name) => (name === defaultPrompt ? `${name} (default)` : name));
  return [
    `${pooling} pooling`,
    ...(normalizes ? ["normalized"] : []),
    ...(maxLength === undefined ? [] : [`up to ${maxLength} tokens`]),
    ...(names.length > 0 ? [`prompts ${names.join(", ")}`] : []),
  ].join("; ");
}

function adapterFacts(adapter: AdapterInspection): Fact[] {
  const { settings } = adapter;
  return [["adapter", adapter.path], ...(settings ? settingFacts(settings) : []), ...sizeFacts(adapter)];
}

/** In which formats the base's matrices were, if it was packed. */
function baseFact({ baseDtype, baseFormats, initLoraWeights }: AdapterSettings): string | undefined {
  if (initLoraWeights === "loftq") return `${baseDtype}, whose rounding the updates make up for (LoftQ)`;
  if (!baseFormats) return baseDtype;
  return Object.keys(baseFormats).some((format) => format !== DENSE) ? inWords(baseFormats) : undefined;
}

function settingFacts(settings: AdapterSettings): Fact[] {
  const { method, axis, rank, alpha, dropout, targetModules: targets, initLoraWeights: start } = settings;
  const base = baseFact(settings);
  const facts: (Fact | undefined)[] = [
    [
      "method",
      axis === null ? method : `${method}, one magnitude for each ${axis === "out" ? "output row" : "input column"}`,
    ],
    ["base model", settings.baseModel ?? "not named"],
    base === undefined ? undefined : ["packed base", base],
    [
      "task",
      [settings.task ?? "not named", ...(settings.labels?.length ? [settings.labels.join(", ")] : [])].join(": "),
    ],
    settings.pooling === undefined ? undefined : ["embeddings", embeddingFacts(settings)],
    rank === undefined ? undefined : rankFact(rank, alpha, settings.rslora),
    settings.adapterSize === undefined
      ? undefined
      : ["bottlenecks", `of width ${settings.adapterSize}, ${settings.adapterPlacement}`],
    settings.modules.some(({ scale }) => scale !== undefined) ? ["scale", scales(settings)] : undefined,
    dropout === undefined ? undefined : ["dropout", String(dropout)],
    start === undefined || start === "loftq" ? undefined : ["start", start],
    ["bias", settings.bias],
    targets === undefined
      ? undefined
      : [
          "targets",
          `${typeof targets === "string" ? targets : targets.join(", ")} (${settings.modules.length} modules)`,
        ],
    ["saved whole", settings.modulesToSave.join(", ") || "nothing"],
  ];
  return facts.filter((fact) => fact !== undefined);
}

function rankFact(rank: number, alpha: number | undefined, isStabilized: boolean | undefined): Fact {
  if (alpha === undefined) return ["rank", String(rank)];
  return ["rank, alpha", `${rank}, ${alpha}${isStabilized ? ", rank-stabilized" : ""}`];
}

/** The scale of the modules; by rank if there are several. */
function scales({ modules }: AdapterSettings): string {
  const counts = new Map<string, number>();
  for (const { rank, scale } of modules) {
    const kind = `${Number(scale?.toPrecision(6))} at rank ${rank}`;
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  return Array.from(counts, ([kind, count]) => (counts.size === 1 ? kind : `${kind} (${count} modules)`)).join(", ");
}

function sizeFacts({ parameters, dtypes, bytes }: Inspection): Fact[] {
  const byDtype = Object.entries(dtypes).map(([dtype, count]) => `${dtype} ${formatCount(count)}`);
  return [
    ["parameters", formatCount(parameters)],
    ["types", byDtype.join(", ") || "none"],
    ["size", bytes < 2 ** 20 ? `${(bytes / 2 ** 10).toFixed(1)} KiB` : `${(bytes / 2 ** 20).toFixed(1)} MiB`],
  ];
}

/** One line for all tensors that differ only in their layer numbers. */
function tensorLines(tensors: readonly TensorFacts[]): string[] {
  const groups = new Map<string, { readonly line: readonly [string, string, string]; count: number }>();
  for (const { name, dtype, shape, storedAs = dtype } of tensors) {
    const line = [oneLine(name.replace(/\.\d+(?=\.)/g, ".*")), storedAs, `[${shape.join(", ")}]`] as const;
    const group = groups.get(line.join(" ")) ?? { line, count: 0 };
    group.count++;
    groups.set(line.join(" "), group);
  }
  const width = Array.from(groups.values()).reduce((longest, { line }) => Math.max(longest, line[0].length), 0);
  return Array.from(groups.values(), ({ line: [name, dtype, shape], count }) => {
    const times = count > 1 ? ` ×${count}` : "";
    return `${name.padEnd(width)}  ${dtype}  ${shape}${times}`;
  }).sort();
}
