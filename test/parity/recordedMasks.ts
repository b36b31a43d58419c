import { indicesRead } from "../../src/models/heads.js";
import type { ModelInput, TaskModel } from "../../src/models/index.js";
import type { Dropout, MaskSource } from "../../src/models/nn/index.js";
import * as torch from "../../src/torch/index.js";
import { get, goldenInput, type Tensors } from "./goldenFiles.js";

/** Gives each dropout the mask recorded for its path in a golden file, and for its second call the second mask. */
export class RecordedMasks implements MaskSource {
  private readonly paths: ReadonlyMap<unknown, string>;
  private readonly calls = new Map<string, number>();
  private readonly input: ModelInput;

  constructor(
    private readonly model: TaskModel,
    private readonly golden: Tensors,
  ) {
    this.paths = new Map(Array.from(model.namedModules(), ([path, module]) => [module, path]));
    this.input = goldenInput(golden);
  }

  draw(dropout: Dropout, shape: readonly number[]): torch.Tensor {
    const mask = this.next(dropout);
    return mask.shape.length === 3 ? this.flat(mask, shape[0] as number) : mask;
  }

  /** Masks are recorded for the whole table. */
  ofTable(first: number): MaskSource {
    return {
      draw: (dropout, [rows, width]: readonly number[]) =>
        torch.narrow(torch.reshape(this.next(dropout as Dropout), [-1, width as number]), 0, first, rows as number),
    };
  }

  private next(dropout: Dropout): torch.Tensor {
    const path = this.paths.get(dropout) as string;
    const call = this.calls.get(path) ?? 0;
    this.calls.set(path, call + 1);
    return torch.divScalar(torch.to(get(this.golden, nameOf(path, call)), "float32"), 1 - dropout.p);
  }

  /** Names of the masks that were used. */
  get used(): string[] {
    return Array.from(this.calls).flatMap(([path, calls]) =>
      Array.from({ length: calls }, (_, call) => nameOf(path, call)),
    );
  }

  /** [rows, length, width] → the real tokens, or those that the head reads, or all if there is no padding. */
  private flat(mask: torch.Tensor, tokens: number): torch.Tensor {
    const all = torch.reshape(mask, [-1, mask.shape[2] as number]);
    if (all.shape[0] === tokens) return all;
    const { layout, inputIds } = this.input;
    const longest = mask.shape[1] as number;
    const places = layout.lengths.flatMap((length, row) => Array.from({ length }, (_, i) => row * longest + i));
    const flat = torch.indexSelect(all, 0, torch.tensor(places, [places.length], "int64"));
    if (tokens === inputIds.numel) return flat;
    const { reads, config } = this.model;
    return torch.indexSelect(flat, 0, indicesRead(reads, this.input, config.padTokenId) as torch.Tensor);
  }
}

const nameOf = (path: string, call: number): string => `mask.${path}${call > 0 ? `#${call}` : ""}`;
