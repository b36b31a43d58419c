import type { Module } from "../../models/nn/index.js";
import { isAllFinite, noGrad, scope, Tensor } from "../../torch/index.js";

type Forward = (...args: readonly unknown[]) => unknown;

/**
 * Repeats a forward pass whose result is not finite.
 * @returns the path of the first module whose output is not finite; undefined if all are
 */
export function nonFiniteModule(model: Module, forward: () => void): string | undefined {
  let found: string | undefined;
  const restore = watchOutputs(model, (path, output) => {
    if (found === undefined && isBroken(output)) found = path;
  });
  try {
    noGrad(() => scope(forward));
  } catch {
    // What failed once may fail again: what was found until then counts.
  } finally {
    restore();
  }
  return found;
}

function isBroken(output: unknown): boolean {
  return output instanceof Tensor && /^(float|bfloat)/.test(output.dtype) && !isAllFinite(output);
}

/** Calls `look` after each module's forward pass. A module's parts come before it. @returns a function that ends it */
function watchOutputs(model: Module, look: (path: string, output: unknown) => void): () => void {
  const restores: (() => void)[] = [];
  for (const [path, module] of model.namedModules()) {
    const target = module as Module & { forward?: Forward };
    const forward = target.forward?.bind(module);
    if (!forward || path === "") continue;
    const own = Object.getOwnPropertyDescriptor(target, "forward");
    target.forward = (...args) => {
      const output = forward(...args);
      look(path, output);
      return output;
    };
    restores.push(() =>
      own ? Object.defineProperty(target, "forward", own) : Reflect.deleteProperty(target, "forward"),
    );
  }
  return () => {
    for (const restore of restores) restore();
  };
}
