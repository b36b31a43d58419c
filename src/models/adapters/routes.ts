// Several adapters in one model, of which each row of a batch uses one or none.

import { named } from "../../base/index.js";
import * as torch from "../../torch/index.js";
import {
  DenseWeight,
  type Embedding,
  type ForwardContext,
  type Linear,
  Module,
  type Parameter,
  type Weight,
} from "../nn/index.js";
import type { AdaptedModel } from "./adapted.js";
import type { Adapter, Layer } from "./adapter.js";
import { attachAdapter } from "./attach.js";
import { eject, planOf } from "./inject.js";
import type { SavedAdapter } from "./peft/adapterFolder.js";

/** Consecutive rows of a pass that use the same adapter. */
export interface Route {
  /** The adapter's name; undefined for the model without an adapter. */
  readonly adapter: string | undefined;
  /** Their number of tokens. */
  readonly tokens: number;
  /** How many of these tokens are computed after the last attention. */
  readonly selected: number;
}

/** A parameter of the model that an adapter replaces: a bias, or part of a module that it saves whole. */
interface Replaced {
  readonly parameter: Parameter;
  readonly values: Weight;
}

/**
 * Adapters that stay attached to a model together. Those that only add to layers can be used in the same pass; one that replaces the
 * model's own parameters needs a pass of its own.
 */
export class AdapterRoutes {
  readonly #replaced = new Map<string, readonly Replaced[]>();
  readonly #shared: Module[] = [];
  #routes: readonly Route[] = [];

  /**
   * Attaches adapters by name.
   * @throws BidoraError as `attachAdapter`, naming the adapter
   */
  constructor(model: Module, adapters: ReadonlyMap<string, SavedAdapter>, dtype?: torch.DType) {
    const options = { generator: new torch.Generator(0), ...(dtype && { dtype }) };
    const layers = new Map<Layer, Map<string, Adapter>>();
    try {
      for (const [name, saved] of adapters) {
        const adapted = named(name, () => this.#attach(model, name, saved, options));
        for (const { layer, adapter } of adapted.modules)
          layers.set(layer, (layers.get(layer) ?? new Map()).set(name, adapter));
      }
    } catch (error) {
      this.dispose();
      throw error;
    } finally {
      // After an error, too: the model disposes of its adapters.
      for (const [layer, own] of layers) layer.setAdapter(new RoutedAdapter(own, (rows) => this.#routesFor(rows)));
    }
  }

  /** Attaches an adapter and takes it out again: its layers, and the values of the model's parameters that it replaces. */
  #attach(
    model: Module,
    name: string,
    saved: SavedAdapter,
    options: Parameters<typeof attachAdapter>[2],
  ): AdaptedModel {
    const parameters = planOf(model, saved.config).whole.map(({ parameter }) => parameter);
    const base = torch.noGrad(() => parameters.map(replaceByCopy));
    const adapted = attachAdapter(model, saved, options);
    for (const { tensor } of adapted.trained) tensor.setRequiresGrad(false);
    eject(adapted);
    const replaced = parameters.map((parameter, i) => ({
      parameter,
      values: parameter.swapValues(base[i]!) as Weight,
    }));
    if (replaced.length > 0) this.#replaced.set(name, replaced);
    if (adapted.shared) this.#shared.push(adapted.shared);
    return adapted;
  }

  /** Whether an adapter can be used in one pass with others. */
  canShare(adapter: string | undefined): boolean {
    return adapter === undefined || !this.#replaced.has(adapter);
  }

  /** Computes a pass. @param routes of all its rows, in order; an adapter that can't share is the only one */
  pass<T>(routes: readonly Route[], compute: () => T): T {
    const release = this.use(routes);
    try {
      return compute();
    } finally {
      release();
    }
  }

  /** Computes all passes with these routes until the returned function is called. A single route is for rows of any number. */
  use(routes: readonly Route[]): () => void {
    this.#routes = routes;
    const replaced = this.#replaced.get(routes[0]?.adapter ?? "") ?? [];
    const before = replaced.map(({ parameter, values }) => parameter.lendValues(values) as Weight);
    return () => {
      for (const [i, { parameter }] of replaced.entries()) parameter.lendValues(before[i]!);
      this.#routes = [];
    };
  }

  /** Releases what is not part of the model's tree. */
  dispose(): void {
    for (const shared of this.#shared) shared.dispose();
    for (const { values } of [...this.#replaced.values()].flat()) values.dispose();
  }

  /** The adapter's name and the number of rows of each part of a layer's input. @param rows in that input: all tokens, or the selected ones */
  #routesFor(rows: number): readonly Part[] {
    const tokens = this.#routes.reduce((sum, route) => sum + route.tokens, 0);
    return this.#routes.map(({ adapter, ...counts }) => ({
      adapter,
      rows: rows === tokens ? counts.tokens : counts.selected,
    }));
  }
}

/** Puts a copy in the place of a parameter's values, which attaching an adapter disposes of. @returns the values */
function replaceByCopy(parameter: Parameter): Weight {
  const copy = new DenseWeight(torch.keep(torch.clone(parameter.values.dense())));
  return parameter.swapValues(copy) as Weight;
}

/** Consecutive rows of a layer's input. */
interface Part {
  readonly adapter: string | undefined;
  readonly rows: number;
}

/** The same with the layer's adapter. */
interface RoutedPart {
  readonly adapter: Adapter | undefined;
  readonly start: number;
  readonly rows: number;
}

/** The adapters of one layer. */
class RoutedAdapter extends Module {
  constructor(
    private readonly adapters: ReadonlyMap<string, Adapter>,
    private readonly routesFor: (rows: number) => readonly Part[],
  ) {
    super();
    for (const [i, adapter] of [...adapters.values()].entries()) this.child(String(i), adapter);
  }

  forward(x: torch.Tensor, layer: Layer, context: ForwardContext): torch.Tensor {
    const parts = this.#parts(x.shape[0]!);
    if (parts.length < 2) return outputOf(x, parts[0]?.adapter, layer, context);
    const follows = ({ adapter }: RoutedPart) => adapter === undefined || adapter.followsLayer;
    // Rounding to bfloat16 before the adapter's part would give other results than the adapter alone.
    const isShared = x.dtype === "float32" && parts.filter(follows).length > 1;
    const base = isShared ? layer.base(x) : undefined;
    return torch.cat(
      parts.map((part) => {
        const own = torch.narrow(x, 0, part.start, part.rows);
        if (!base || !follows(part)) return outputOf(own, part.adapter, layer, context);
        const ofPart = torch.narrow(base, 0, part.start, part.rows);
        return part.adapter ? part.adapter.afterLayer(ofPart, own, layer, context) : ofPart;
      }),
      0,
    );
  }

  /** The parts of an input; neighbors with the same adapter of this layer are one. */
  #parts(rows: number): RoutedPart[] {
    const parts: RoutedPart[] = [];
    let start = 0;
    for (const route of this.routesFor(rows)) {
      const adapter = route.adapter === undefined ? undefined : this.adapters.get(route.adapter);
      const last = parts.at(-1);
      if (last && last.adapter === adapter) parts[parts.length - 1] = { ...last, rows: last.rows + route.rows };
      else parts.push({ adapter, start, rows: route.rows });
      start += route.rows;
    }
    return parts;
  }
}

const outputOf = (
  x: torch.Tensor,
  adapter: Adapter | undefined,
  layer: Layer,
  context: ForwardContext,
): torch.Tensor => (adapter ? adapter.forward(x, layer, context) : (layer as Linear & Embedding).base(x));
