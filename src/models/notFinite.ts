// Outputs that are not finite, and the model's own weights as their cause.
import { BidoraError } from "../base/index.js";
import { isAllFinite, scope } from "../torch/index.js";
import type { Module } from "./nn/module.js";
import type { Weight } from "./nn/weights/weight.js";

/** The error for a model's output that neither a metric nor JSON can represent. */
export const outputNotFinite = (output: string): BidoraError =>
  new BidoraError("NOT_FINITE", {
    finding: `${output} is not a finite number`,
    joint: ";",
    advice: "try --dtype float32",
  });

/** A model's own weights, by path, and the folder that they were read from. */
export interface OwnWeights {
  readonly folder: string;
  readonly weights: Iterable<readonly [path: string, weight: Weight]>;
}

/**
 * Runs `body`. If it fails because a number is not finite, and the cause is a model weight that is not finite, the error says so
 * instead of giving advice that cannot help. The weights are checked only then, so that a successful run costs nothing.
 */
export async function namingBadWeights<T>(own: () => OwnWeights, body: () => Promise<T>): Promise<T> {
  try {
    return await body();
  } catch (error) {
    throw blamingBadWeights(error, own);
  }
}

/** The same for a stream of results of an open model. */
export async function* namingBadWeightsIn<T>(model: OpenWeights, stream: AsyncGenerator<T>): AsyncGenerator<T> {
  try {
    yield* stream;
  } catch (error) {
    throw blamingBadWeights(error, () => weightsIn(model));
  }
}

/** A model, and the folder that its weights were read from. */
interface OpenWeights {
  readonly folder: string;
  readonly model: Module;
}

/** The current parameters of an open model. */
export const weightsIn = ({ folder, model }: OpenWeights): OwnWeights => ({
  folder,
  weights: Array.from(model.baseParameters(), ([path, { values }]) => [path, values] as const),
});

/** An error, or the one that takes its place if a weight that is not finite is the cause. */
export function blamingBadWeights(error: unknown, own: () => OwnWeights): unknown {
  if (!(error instanceof BidoraError && error.code.endsWith("NOT_FINITE"))) return error;
  const { folder, weights } = own();
  const bad = firstBad(weights);
  if (bad === undefined) return error;
  const { finding } = error.parts;
  return new BidoraError(error.code, { finding, advice: `the ${blame(bad, folder)}` }, { cause: error });
}

/** @throws BidoraError `NOT_FINITE` naming the first tensor with a value that is not a finite number */
export function refuseBadWeights({ folder, weights }: OwnWeights): void {
  const bad = firstBad(weights);
  if (bad !== undefined) throw new BidoraError("NOT_FINITE", `The ${blame(bad, folder)}.`);
}

function firstBad(weights: OwnWeights["weights"]): string | undefined {
  for (const [path, weight] of weights) if (!scope(() => isAllFinite(weight.dense()))) return path;
  return undefined;
}

const blame = (path: string, folder: string): string =>
  `model's own weights in ${folder} hold values that are not finite numbers, in ${path}; take an undamaged copy of the model`;
