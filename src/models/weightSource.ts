import { BidoraError } from "../common/errors.js";
import type { Checkpoint } from "../io/checkpoint.js";
import { isInteger } from "../io/safetensorsHeader.js";
import { castTo, type Parameter, turned } from "../nn/index.js";
import * as torch from "../torch/index.js";
import { type Architecture, checkpointNames } from "./architecture.js";

/** A checkpoint's tensors by the paths that parameters have in the model. */
export class WeightSource {
  constructor(
    private readonly checkpoint: Checkpoint,
    private readonly architecture: Architecture,
    /** Of a path, the one whose tensor is read for it. */
    private readonly aliases: ReadonlyMap<string, string> = new Map(),
  ) {}

  has(path: string): boolean {
    return this.find(path) !== undefined;
  }

  /** True where there is a tensor and it has the parameter's shape. */
  fits(path: string, parameter: Parameter): boolean {
    const name = this.find(path);
    return name !== undefined && torch.sameShape(this.checkpoint.info(name).shape, parameter.storedShape);
  }

  /** Reads a tensor into a parameter. @throws as `require` */
  fill(path: string, parameter: Parameter, dtype: torch.DType): void {
    const name = this.require(path, parameter);
    parameter.fill(
      torch.scope(() => {
        const stored = this.checkpoint.readTensor(name);
        return torch.keep(castTo(parameter.isStoredTransposed ? turned(stored) : stored, dtype));
      }),
    );
  }

  /**
   * The name of a parameter's tensor, by what its file's header says of it.
   * @throws BidoraError `WEIGHTS` where there is none, or one of another shape, or one of whole numbers
   */
  require(path: string, parameter: Parameter): string {
    const name = this.find(path);
    if (!name) throw this.missing(path);
    const { shape, dtype: stored } = this.checkpoint.info(name);
    if (isInteger(stored)) {
      throw new BidoraError(
        "WEIGHTS",
        `Tensor ${name} in ${this.checkpoint.folder} has dtype ${stored}, but weights are floats; convert it to F32 or BF16.`,
      );
    }
    if (!torch.sameShape(shape, parameter.storedShape)) {
      throw new BidoraError(
        "WEIGHTS",
        `Tensor ${name} in ${this.checkpoint.folder} has shape [${shape.join(", ")}], but config.json asks for [${parameter.storedShape.join(", ")}].`,
      );
    }
    return name;
  }

  private find(path: string): string | undefined {
    const read = this.aliases.get(path) ?? path;
    return checkpointNames(this.architecture, read).find((name) => this.checkpoint.has(name));
  }

  private missing(path: string): BidoraError {
    const names = checkpointNames(this.architecture, path).join(", ");
    return new BidoraError("WEIGHTS", `${this.checkpoint.folder} lacks the weight ${path}; looked for ${names}.`);
  }
}
