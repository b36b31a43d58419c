import { threadId } from "node:worker_threads";
import { native } from "./native/native.js";

/** The kind of a timed event: an operator, a node of a backward pass, or a range named by `pushRange`. */
export type ProfileKind = "operator" | "backward" | "range";

/** One operator call, backward node or named range. Events nest by time and `depth`. */
export type ProfileEvent = {
  readonly name: string;
  readonly kind: ProfileKind;
  /** The thread's id in Node. */
  readonly thread: number;
  /** Microseconds since `startProfile`. */
  readonly startMicros: number;
  readonly durationMicros: number;
  /** The number of enclosing events. */
  readonly depth: number;
  /** The innermost enclosing range; for a backward node, the range of the forward call. */
  readonly range: string | undefined;
  /** Shapes of the tensor arguments, "" unless they were requested. */
  readonly shapes: string;
};

const KINDS = ["operator", "backward", "range"] as const;

/** Starts recording the operators that this thread calls. @throws TorchError if it is already recording */
export function startProfile(options: { readonly shapes?: boolean } = {}): void {
  native.startProfile(options.shapes ?? false);
}

/** Stops recording, closes open ranges, and returns the events by start time. */
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

/** Opens a named range, such as a module's path; does nothing unless recording. */
export function pushRange(name: string): void {
  native.pushRange(name);
}

/** Closes the range that was opened last. */
export function popRange(): void {
  native.popRange();
}
