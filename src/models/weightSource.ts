// Finds and reads the checkpoint's tensor for each parameter of a model.

import { BidoraError } from "../common/errors.js";
import type { JsonObject } from "../files/json.js";
import type { Checkpoint } from "../io/checkpoint.js";
import { isInteger } from "../io/safetensorsHeader.js";
import { castTo, type Parameter, transposed } from "../nn/index.js";
import * as torch from "../torch/index.js";
import { type Architecture, checkpointNames } from "./architecture.js";
import type { HeadDesign, LanguageConfig } from "./heads.js";

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
        return torch.keep(castTo(parameter.isStoredTransposed ? transposed(stored) : stored, dtype));
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

/** How a checkpoint's output matrix and embeddings are read. */
interface Ties {
  /** What `config.json` comes to. */
  readonly config: JsonObject;
  /** Of a parameter's path, the one whose tensor is read for it. */
  readonly aliases: ReadonlyMap<string, string>;
}

/**
 * As transformers 5 loads them: what the configuration ties is not tied where the checkpoint has two tensors that differ, and where it
 * has the output matrix alone, that serves as the embeddings.
 * @param dtype in which they are compared
 */
export function tiesOf(
  checkpoint: Checkpoint,
  architecture: Architecture,
  { output, tiedTo: table }: HeadDesign,
  dtype: torch.DType,
): Ties {
  const { config } = checkpoint;
  const own = `${output}.weight`;
  const nameOf = (path: string) => checkpointNames(architecture, path).find((name) => checkpoint.has(name));
  const ownName = nameOf(own);
  if (table === undefined || ownName === undefined || !isTied(architecture, config)) {
    return { config, aliases: new Map() };
  }
  const tableName = nameOf(table);
  if (tableName === undefined) return { config, aliases: new Map([[table, own]]) };
  const read = (name: string) => castTo(checkpoint.readTensor(name), dtype);
  const isSame =
    torch.sameShape(checkpoint.info(ownName).shape, checkpoint.info(tableName).shape) &&
    torch.noGrad(() => torch.scope(() => torch.equal(read(ownName), read(tableName))));
  return { config: isSame ? config : { ...config, tie_word_embeddings: false }, aliases: new Map() };
}

function isTied(architecture: Architecture, config: JsonObject): boolean {
  return (architecture.parseConfig(config) as Partial<LanguageConfig>).tiesEmbeddings === true;
}
