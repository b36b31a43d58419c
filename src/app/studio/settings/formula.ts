/** The pieces of a method's formula, as its picture shows them. */

/** How large a matrix is drawn: the weight's square, tall, wide, a vector, or a small square. */
type Shape = "square" | "down" | "row" | "column" | "small";

/** Which level trains a piece, in methods with two. */
export type Level = "upper" | "lower";

/** A matrix or vector. */
export interface Block {
  readonly name: string;
  readonly shape: Shape;
  readonly state: "frozen" | "trained" | "random";
  readonly level?: Level | undefined;
}

/** A block, or a sign between blocks. */
export type Piece = Block | string;

export const frozen = (name: string): Block => ({ name, shape: "square", state: "frozen" });
export const trained = (name: string): Block => ({ name, shape: "square", state: "trained" });
export const random = (name: string, shape: Shape): Block => ({ name, shape, state: "random" });
export const down = (name: string, level?: Level): Block => ({ name, shape: "down", state: "trained", level });
export const row = (name: string, level?: Level): Block => ({ name, shape: "row", state: "trained", level });
export const column = (name: string, level?: Level): Block => ({ name, shape: "column", state: "trained", level });
export const small = (name: string): Block => ({ name, shape: "small", state: "trained" });
