export type TaskKind =
  | "sequence-classification"
  | "multi-label-classification"
  | "regression"
  | "token-classification"
  | "causal-lm";

export interface TaskFacts {
  /** What a row holds: one or two texts, or a text already split into words. */
  readonly rows: "text" | "words";
  /** What a row is labelled with. */
  readonly label: "one name" | "names" | "number" | "a name for each word" | "nothing";
}

export const tasks: Readonly<Record<TaskKind, TaskFacts>> = {
  "sequence-classification": { rows: "text", label: "one name" },
  "multi-label-classification": { rows: "text", label: "names" },
  regression: { rows: "text", label: "number" },
  "token-classification": { rows: "words", label: "a name for each word" },
  "causal-lm": { rows: "text", label: "nothing" },
};
