import { own } from "../common/own.js";
import { isJsonObject, type JsonObject, type JsonValue } from "../io/json.js";
import { ConfigReader, configError } from "./configReader.js";
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

/** More outputs than any head has. */
const MOST_LABELS = 1_000_000;

/** The label names in the order of their ids; without any, `LABEL_0`, `LABEL_1`, … as many as `num_labels` says (2). */
function labelsOf(config: JsonObject): readonly string[] {
  const { id2label, label2id, num_labels: given } = config;
  const count = new ConfigReader(config).count("num_labels", 2);
  if (count > MOST_LABELS) throw configError(`num_labels is ${count}; expected at most ${MOST_LABELS}.`);
  const labels = isJsonObject(id2label)
    ? inOrder(Object.entries(id2label).map(([id, name]) => [idOf(id), String(name)]))
    : isJsonObject(label2id)
      ? inOrder(Object.entries(label2id).map(([name, id]) => [idOf(id), name]))
      : Array.from({ length: count }, (_, id) => `LABEL_${id}`);
  if (typeof given === "number" && given !== labels.length)
    throw configError(`num_labels is ${given}, but there are ${labels.length} label names.`);
  checkNames(labels, isJsonObject(label2id) ? label2id : {});
  return labels;
}

function idOf(value: JsonValue): number {
  return typeof value === "number" || (typeof value === "string" && /^\d+$/.test(value)) ? Number(value) : Number.NaN;
}

/** Each name must stand for one id, and for the same one in both directions. Names that only `label2id` has are passed over. */
function checkNames(labels: readonly string[], label2id: JsonObject): void {
  const ids = new Map<string, number>();
  for (const [id, name] of labels.entries()) {
    const other = ids.get(name);
    if (other !== undefined) throw configError(`the label ${JSON.stringify(name)} has two ids, ${other} and ${id}.`);
    ids.set(name, id);
  }
  for (const [name, value] of Object.entries(label2id)) {
    const id = ids.get(name);
    if (id === undefined || id === idOf(value)) continue;
    throw configError(`the label ${JSON.stringify(name)} has id ${id} in id2label, but ${value} in label2id.`);
  }
}

function inOrder(labels: readonly (readonly [number, string])[]): readonly string[] {
  const sorted = labels.toSorted(([a], [b]) => a - b);
  if (sorted.length > 0 && sorted.every(([id], place) => id === place)) return sorted.map(([, name]) => name);
  const ids = sorted.map(([id]) => id).join(", ");
  throw configError(`labels must be numbered 0, 1, 2, …, but their ids are ${ids || "missing"}.`);
}
