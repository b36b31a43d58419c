/** A model that computes what its graph in a dtype computes: while it is on, its layers have the dtype's values and roundings. */
import { Bottleneck } from "../../../../models/adapters/index.js";
import type { TaskModel } from "../../../../models/index.js";
import { activation, Embedding, Linear, Module, type Parameter } from "../../../../models/nn/index.js";
import * as torch from "../../../../torch/index.js";
import type { Changed } from "../graph/modelGraph.js";

/** What a dtype does to the numbers of a model, so that our own model can compute what its graph computes. */
export interface Arithmetic {
  /** The values that a linear layer's weight has in the file. weight: [out, in] → the same */
  weight(weight: torch.Tensor): torch.Tensor;
  /** The values that a table has; undefined, the default, for its own. [rows, width] → the same. @param ofTokens whether it is the vocabulary's */
  readonly table?: (table: torch.Tensor, ofTokens: boolean) => torch.Tensor | undefined;
  /** A layer's input as it is multiplied; by default as it is. */
  readonly input?: (x: torch.Tensor) => torch.Tensor;
  /** A layer's output without its bias; by default as it is. */
  readonly output?: (y: torch.Tensor) => torch.Tensor;
  /** Whether a row's numbers depend on the other rows of its batch. */
  readonly dependsOnBatch?: boolean;
}

/** Computes a layer's output. Its input is [tokens, in], or the ids of an embedding. */
type Compute = (x: torch.Tensor) => torch.Tensor;

/** An adapter that computes a layer's output instead of the layer. */
class Emulated extends Module {
  /** @param held the tensors that `compute` uses, which it owns */
  constructor(
    private readonly compute: Compute,
    private readonly held: readonly torch.Tensor[],
  ) {
    super();
  }

  forward(x: torch.Tensor): torch.Tensor {
    return this.compute(x);
  }

  protected override release(): void {
    for (const tensor of this.held) tensor.dispose();
  }
}

/** Switches a model between its own float32 and a dtype, whose values are held until it is disposed of. */
export class Emulation {
  readonly #layers: readonly { readonly layer: Module; readonly own: Module | undefined; readonly emulated: Module }[];

  /** @param changed parameters that an adapter changes, by path */
  constructor(
    private readonly model: TaskModel,
    changed: Changed,
    arithmetic: Arithmetic,
  ) {
    const layers = [...model.baseModules()];
    const { vocabSize } = model.config;
    const ofTokens = layers.find(([, layer]) => layer instanceof Embedding && layer.count === vocabSize)?.[1];
    this.#layers = layers.flatMap(([path, layer]) => {
      const maker = new Maker(path, changed, arithmetic, layer === ofTokens);
      const emulated = torch.noGrad(() => torch.scope(() => maker.make(layer)));
      return emulated ? [{ layer, own: layer.adapter, emulated }] : [];
    });
  }

  /** Calls `body` while the model computes in the dtype. Ranges of inputs depend on all of their rows, so that it computes them all. */
  async within<T>(body: () => T | Promise<T>): Promise<T> {
    for (const { layer, emulated } of this.#layers) layer.setAdapter(emulated);
    this.model.backbone.computesAll = true;
    try {
      return await body();
    } finally {
      this.model.backbone.computesAll = false;
      for (const { layer, own } of this.#layers) layer.setAdapter(own);
    }
  }

  dispose(): void {
    for (const { emulated } of this.#layers) emulated.dispose();
  }
}

/** Makes what emulates the layer at a path. */
class Maker {
  readonly #held: torch.Tensor[] = [];

  constructor(
    private readonly path: string,
    private readonly changed: Changed,
    private readonly arithmetic: Arithmetic,
    private readonly ofTokens: boolean,
  ) {}

  /** Undefined for a module that computes as before. */
  make(layer: Module): Emulated | undefined {
    const compute =
      layer instanceof Linear ? this.#linear(layer) : layer instanceof Embedding ? this.#lookup(layer) : undefined;
    return compute && new Emulated(compute, this.#held);
  }

  #linear(layer: Linear): Compute | undefined {
    if (layer.isUnused) return undefined;
    const own = this.#product(this.#values("weight", layer.weight), layer.bias && this.#values("bias", layer.bias));
    if (!(layer.adapter instanceof Bottleneck)) return own;
    const { down, up, nonLinearity } = layer.adapter;
    const [narrow, widen] = [down, up].map(({ weight, bias }) => this.#product(weight.tensor, bias.tensor)) as [
      Compute,
      Compute,
    ];
    const bend = activation(nonLinearity);
    return (x) => {
      const h = own(x);
      return torch.add(h, widen(bend(narrow(h))));
    };
  }

  /** x·Wᵀ + b */
  #product(weight: torch.Tensor, bias: torch.Tensor | undefined): Compute {
    const { input = same, output = same } = this.arithmetic;
    const matrix = this.#hold(this.arithmetic.weight(inFloat32(weight)));
    const shift = bias && this.#hold(torch.clone(inFloat32(bias)));
    return (x) => {
      const product = output(torch.linear(input(inFloat32(x)), matrix, null));
      return shift ? torch.add(product, shift) : product;
    };
  }

  #lookup(layer: Embedding): Compute | undefined {
    const { table } = this.arithmetic;
    const values = table?.(inFloat32(this.#values("weight", layer.weight)), this.ofTokens);
    if (!values) return undefined;
    const rows = this.#hold(values);
    return (ids) => torch.embedding(rows, ids);
  }

  #values(name: string, parameter: Parameter): torch.Tensor {
    return this.changed.get(`${this.path}.${name}`)?.() ?? parameter.values.dense();
  }

  #hold(tensor: torch.Tensor): torch.Tensor {
    this.#held.push(torch.keep(tensor));
    return tensor;
  }
}

const inFloat32: Compute = (values) => torch.castTo(values, "float32");
const same: Compute = (x) => x;
