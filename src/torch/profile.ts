import { threadId } from "node:worker_threads";
import { native } from "./native.js";

/** What was timed: an operator, its part of a backward pass, or a range that was named by hand. */
export type ProfileKind = "operator" | "backward" | "range";

/** One call of an operator, one step of a backward pass, or one named range. Events nest by time and `depth`. */
export type ProfileEvent = {
  readonly name: string;
  readonly kind: ProfileKind;
  /** Node's number of the thread. */
  readonly thread: number;
  /** Counted from `startProfile`. */
  readonly startMicros: number;
  readonly durationMicros: number;
  /** How many events it lies in. */
  readonly depth: number;
  /** Innermost range around it; for a backward step, the range of the forward call. */
  readonly range: string | undefined;
  /** Shapes of the tensor arguments, "" unless they were requested. */
  readonly shapes: string;
};

const KINDS = ["operator", "backward", "range"] as const;

/** Starts recording the operators that this thread calls. Throws a TorchError when it records already. */
export function startProfile(options: { readonly shapes?: boolean } = {}): void {
  native.startProfile(options.shapes ?? false);
}

/** Ends the recording and gives its events in the order of their start; ranges still open end here. */
export function stopProfile(): ProfileEvent[] {
  const { strings, ...columns } = native.stopProfile();
  const text = (column: Int32Array, index: number) => strings[column[index] ?? 0] ?? "";
  return Array.from(columns.name, (_, index) => {
    const range = columns.range[index] ?? -1;
    return {
      name: text(columns.name, index),
      kind: KINDS[columns.kind[index] ?? 0] ?? "operator",
      thread: threadId,
      startMicros: columns.start[index] ?? 0,
      durationMicros: columns.duration[index] ?? 0,
      depth: columns.depth[index] ?? 0,
      range: range < 0 ? undefined : text(columns.name, range),
      shapes: text(columns.shapes, index),
    };
  });
}

/** Opens a named range, such as a module's path, around what follows; does nothing while nothing records. */
export function pushRange(name: string): void {
  native.pushRange(name);
}

/** Closes the range opened last. */
export function popRange(): void {
  native.popRange();
}
