/** `bidora inspect`: shows the contents of a model or an adapter. */
import { formatCount, oneLine, shownPath } from "../../../base/index.js";
import { type Given, option, text } from "../../../base/settings/index.js";
import { DENSE } from "../../../models/index.js";
import { session } from "../../../tasks/config/index.js";
import {
  type AdapterInspection,
  type AdapterSettings,
  type Inspection,
  inspectFolder,
  inWords,
  type ModelInspection,
  type TensorFacts,
} from "../../../use/inference/index.js";
import { call, defineCommand, required } from "../command.js";

const options = {
  path: option(text("PATH"), { group: "Data", help: "folder of a model or an adapter", positional: true }),
  ...session,
};

/** What `inspect` takes: the path of a model or an adapter. */
export type InspectSettings = Given<typeof options>;

export const inspectCommand = defineCommand({
  usage: "inspect PATH",
  about: "Shows what is in a model or an adapter.",
  options,
  hooks: [],
  async run({ path }): Promise<Inspection> {
    const found = await inspectFolder(required(path, "The path of a model or an adapter"));
    return { ...found, path: shownPath(found.path) };
  },
  show: (found) => ({ value: found, text: renderInspection(found) }),
});

/** Inspects the folder of a model or an adapter, and finds why other commands would refuse it. */
export const inspect = (settings: InspectSettings): Promise<Inspection> =>
  call("inspect", inspectCommand, settings, {});

/** An inspection as text. */
export function renderInspection(found: Inspection): string {
  const facts = found.kind === "model" ? modelFacts(found) : adapterFacts(found);
  const width = Math.max(...facts.map(([name]) => name.length));
  return [
    ...facts.map(([name, value]) => `${name.padEnd(width)}  ${oneLine(value)}`),
    "",
    ...tensorLines(found.tensors),
    "",
    ...(found.refusals.length === 0
      ? ["Nothing in it is refused."]
      : found.refusals.map((why) => `Refused: ${oneLine(why)}`)),
  ].join("\n");
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
    settings.notInPeft === undefined ? undefined : ["not in PEFT", settings.notInPeft],
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
