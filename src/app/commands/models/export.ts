/** `bidora export`: exports an adapter or a model to another format. */

import { formatBytes, UsageError } from "../../../base/index.js";
import type { Metrics } from "../../../base/records/index.js";
import {
  type AppliesWhen,
  both,
  choice,
  choices,
  type Given,
  group,
  text,
  whole,
} from "../../../base/settings/index.js";
import { baseModel, overwrite, plainPooling, session } from "../../../tasks/config/index.js";
import { chosenTask } from "../../../tasks/datasets/index.js";
import {
  exportGguf,
  exportLora,
  exportOnnx,
  exportPeft,
  ONNX_DTYPE_NAMES,
  type OnnxFile,
} from "../../../use/export/index.js";
import { call, defineCommand, formatTable, type Hooks } from "../command.js";

const exporting = group("Export");
const output = group("Output");

/** The formats by name. */
const FORMATS = { "peft-lora": exportPeft, "gguf-lora": exportLora, gguf: exportGguf, onnx: exportOnnx };
type Format = keyof typeof FORMATS;

const withFormats = (...formats: readonly Format[]): AppliesWhen => ({
  only: `with --to ${formats.join(" or ")}`,
  holds: ({ to }: { readonly to?: Format }) => to === undefined || formats.includes(to),
});

const options = {
  ...baseModel,
  to: exporting(choice(["peft-lora", "gguf-lora", "gguf", "onnx"]), "format to export to"),
  outtype: exporting(
    choice(["f32", "f16", "bf16", "q8_0"]),
    "data type of the matrices in a GGUF file; a gguf-lora can have f32 or f16",
    { defaultText: "f16; gguf-lora: f32", appliesWhen: withFormats("gguf-lora", "gguf") },
  ),
  rank: exporting(whole(1), "rank of the LoRA that a DoRA adapter is approximated by", {
    defaultText: "the adapter's",
    appliesWhen: withFormats("peft-lora", "gguf-lora"),
  }),
  dtype: exporting(
    choices(ONNX_DTYPE_NAMES),
    "data types of the weights in ONNX graphs, one graph each, as transformers.js names them",
    { defaultText: "fp32", appliesWhen: withFormats("onnx") },
  ),
  task: exporting(
    choice(["feature-extraction", "reranking"]),
    "feature-extraction writes the model without its head, for hidden states; reranking says that a classifier with one output is a reranker",
    {
      defaultText: "the model's own task",
      appliesWhen: withFormats("gguf", "onnx"),
      valueAppliesWhen: { "feature-extraction": withFormats("onnx") },
    },
  ),
  data: exporting(
    text("FILE"),
    "rows on which each data type's error against fp32 is measured, and the metrics if they have labels",
    { defaultText: "none", appliesWhen: withFormats("onnx") },
  ),
  pooling: {
    ...plainPooling.pooling,
    group: "Export",
    appliesWhen: both(withFormats("gguf", "onnx"), {
      only: "without --task",
      holds: ({ task }: { readonly task?: string | undefined }) => task === undefined,
    }),
  },
  output: output(text("PATH"), "folder, or .gguf file, to write"),
  ...overwrite,
  ...session,
};

/** What `exportModel` takes: the flags of `bidora export`, in camelCase. */
export type ExportSettings = Given<typeof options>;

/** What `exportModel` wrote. */
export interface ExportResult {
  readonly path: string;
  /** A sentence about the result's contents or accuracy. */
  readonly note: string;
  /** For an adapter, the relative error of the exported change of the weights. */
  readonly relativeError?: number;
  /** With `onnx`, the graphs that were written, one for each dtype. */
  readonly files?: readonly OnnxFile[];
  /** What to know before using it, one sentence each. */
  readonly notes?: readonly string[];
}

export const exportCommand = defineCommand({
  usage: "export [--model M] --adapter A --to FORMAT --output PATH",
  about: "Exports an adapter, or with --to gguf or onnx the merged model, to another format.",
  options,
  hooks: ["task", "onNote"],
  leavesFiles: true,
  run(settings, context): Promise<ExportResult> {
    const { to } = settings;
    if (to === undefined) throw new UsageError(`--to is missing: take ${options.to.takes}.`);
    const named = settings.task === "reranking" ? settings.task : undefined;
    return FORMATS[to](settings, chosenTask(named, context.task), context);
  },
  show: ({ path, note, relativeError, files, notes = [] }) => ({
    value: { output: path, relativeError, files },
    text: [note, ...(files ? [filesTable(files)] : []), `Exported to ${path}`].join("\n"),
    notes,
  }),
});

/** A row for each graph. With measured rows also the errors and metrics, after a row with the metrics of float32. */
function filesTable(files: readonly OnnxFile[]): string {
  if (files.every(({ error }) => error === undefined))
    return formatTable(
      ["dtype", "size"],
      files.map(({ dtype, bytes }) => [dtype, formatBytes(bytes)]),
    );
  const exact = files[0]?.float32Metrics ?? {};
  const names = Object.keys(exact);
  const valuesOf = (metrics: Metrics = {}) => names.map((name) => metrics[name] ?? "");
  const rows = files.map(({ dtype, bytes, error = 0, metrics }) => [
    dtype,
    formatBytes(bytes),
    error.toPrecision(3),
    ...valuesOf(metrics),
  ]);
  const isWritten = names.length === 0 || files.some(({ dtype }) => dtype === "fp32");
  const unwritten = isWritten ? [] : [["fp32", "not written", "0", ...valuesOf(exact)]];
  return formatTable(["dtype", "size", "largest error", ...names], [...unwritten, ...rows]);
}

/**
 * Exports an adapter, or a model, to another format: `peft-lora`, a plain LoRA of PEFT, which is the truncated singular value
 * decomposition of the adapter's change of each weight; `gguf-lora`, such a LoRA (or LoRA's own tensors) for llama.cpp; `gguf`, the
 * model merged with its adapter, or the model alone, as one file for llama.cpp: a language model, one that embeds texts, or a reranker; `onnx`, the same as a folder for transformers.js. Nothing is written before everything is computed.
 */
export const exportModel = (
  settings: ExportSettings,
  hooks: Pick<Hooks, "task" | "onNote"> = {},
): Promise<ExportResult> => call("exportModel", exportCommand, settings, hooks);
