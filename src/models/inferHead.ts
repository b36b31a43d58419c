import { isJsonObject, type JsonObject } from "../io/json.js";
import { own } from "../own.js";
import { configError } from "./configReader.js";
import type { Head, HeadKind } from "./head.js";

const PROBLEM_TYPES: Readonly<Record<string, HeadKind>> = {
  regression: "regression",
  single_label_classification: "sequence-classification",
  multi_label_classification: "multi-label-classification",
};

/**
 * The head that a checkpoint was saved with, read from `architectures`, `problem_type` and its labels; undefined for a
 * bare encoder or a language model.
 * @throws BidoraError `CONFIG` for labels that do not number 0, 1, … or do not suit the problem type
 */
export function inferHead(config: JsonObject): Head | undefined {
  const kind = headKind(config);
  if (!kind) return undefined;
  const labels = labelsOf(config);
  if (kind === "regression" && labels.length !== 1) {
    throw configError(`problem_type is "regression" with ${labels.length} outputs; expected one.`);
  }
  if (kind === "sequence-classification" && labels.length < 2) {
    throw configError(`problem_type is "single_label_classification" with one label; expected two or more.`);
  }
  return { kind, labels };
}

function headKind(config: JsonObject): HeadKind | undefined {
  const classes = Array.isArray(config.architectures) ? config.architectures.map(String) : [];
  if (classes.some((name) => name.endsWith("ForTokenClassification"))) return "token-classification";
  if (!classes.some((name) => name.endsWith("ForSequenceClassification"))) return undefined;
  const problem = config.problem_type ?? undefined;
  if (problem === undefined) return labelsOf(config).length === 1 ? "regression" : "sequence-classification";
  const kind = typeof problem === "string" ? own(PROBLEM_TYPES, problem) : undefined;
  if (kind) return kind;
  const known = Object.keys(PROBLEM_TYPES).join(", ");
  throw configError(`problem_type ${JSON.stringify(problem)} is not known; expected one of ${known}.`);
}

/** The label names in the order of their ids; without any, `LABEL_0`, `LABEL_1`, … as many as `num_labels` says (2). */
function labelsOf(config: JsonObject): readonly string[] {
  const { id2label, label2id, num_labels: count } = config;
  if (isJsonObject(id2label)) return inOrder(Object.entries(id2label).map(([id, name]) => [Number(id), String(name)]));
  if (isJsonObject(label2id)) return inOrder(Object.entries(label2id).map(([name, id]) => [Number(id), name]));
  return Array.from({ length: typeof count === "number" ? count : 2 }, (_, id) => `LABEL_${id}`);
}

function inOrder(labels: readonly (readonly [number, string])[]): readonly string[] {
  const sorted = labels.toSorted(([a], [b]) => a - b);
  if (sorted.length > 0 && sorted.every(([id], place) => id === place)) return sorted.map(([, name]) => name);
  const ids = sorted.map(([id]) => id).join(", ");
  throw configError(`labels must be numbered 0, 1, 2, …, but their ids are ${ids || "missing"}.`);
}
