// Finds and reads the checkpoint's tensor for each parameter of a model.

import { BidoraError } from "../../base/index.js";
import type { JsonObject } from "../../base/records/index.js";
import { type Checkpoint, misshapen, openCheckpoint, type PackedTensor, packedParts } from "../../formats/index.js";
import { isInteger } from "../../formats/safetensors/index.js";
import * as torch from "../../torch/index.js";
import { type Architecture, checkpointNames } from "../architecture.js";
import type { HeadDesign, LanguageConfig } from "../heads.js";
import { PackedWeight, type Parameter, transposed, type WeightFormat } from "../nn/index.js";
import type { TaskModel } from "../taskModel.js";

/** A checkpoint's tensors, by the paths of the model's parameters. */
export class WeightSource {
  constructor(
    private readonly checkpoint: Checkpoint,
    private readonly architecture: Architecture,
    /** For a parameter's path, another path whose tensor is read instead. */
    private readonly aliases: ReadonlyMap<string, string> = new Map(),
    /** The path of the backbone in the model; empty for a model without a head. */
    private readonly prefix = architecture.prefix,
    /** The device of the parameters; tensors are read one at a time on the CPU. */
    private readonly device = "cpu",
  ) {}

  has(path: string): boolean {
    return this.find(path) !== undefined;
  }

  /** Whether there is a tensor with the parameter's shape. */
  fits(path: string, parameter: Parameter): boolean {
    const name = this.find(path);
    return name !== undefined && torch.sameShape(this.checkpoint.info(name).shape, this.#shapeOf(name, parameter));
  }

  /** Reads a tensor into a parameter. @throws as `require` */
  fill(path: string, parameter: Parameter, dtype: torch.DType): void {
    parameter.fill(torch.scope(() => torch.keep(this.read(path, parameter, dtype))));
  }

  /** Reads a parameter's tensor. @param mayMap as in `Weights` @throws as `require` */
  read(path: string, parameter: Parameter, dtype: torch.DType, mayMap = false): torch.Tensor {
    return torch.onDevice(this.#read(path, parameter, dtype, mayMap), this.device);
  }

  /** A parameter's values as the file has them packed, if it has. */
  packed(path: string, parameter: Parameter): PackedTensor | undefined {
    const stored = this.checkpoint.packed(this.require(path, parameter));
    return stored && { ...stored, read: () => stored.read().map((part) => torch.onDevice(part, this.device)) };
  }

  /**
   * Packs a parameter's values.
   * @returns what `torch.packedWeight` takes
   * @throws as `require`; BidoraError `NOT_FINITE` for values that the format can't hold
   */
  pack(path: string, parameter: Parameter, { name, block, largest }: WeightFormat): readonly torch.Tensor[] {
    return torch.scope(() => {
      const values = this.#read(path, parameter, "float32");
      const problem = unfit(values, largest);
      if (problem === undefined)
        return packedParts(values, name, block).map((part) => torch.keep(torch.onDevice(part, this.device)));
      throw new BidoraError(
        "NOT_FINITE",
        `${path} in ${this.checkpoint.folder} can't be quantized to ${name}: ${problem}; leave out baseDtype (--base-dtype).`,
      );
    });
  }

  #read(path: string, parameter: Parameter, dtype: torch.DType, mayMap = false): torch.Tensor {
    const name = this.require(path, parameter);
    return torch.scope(() => {
      const stored = this.checkpoint.readTensor(name, mayMap, dtype);
      return torch.castTo(this.#isTransposed(name, parameter) ? transposed(stored) : stored, dtype);
    });
  }

  /** Packed matrices are [out, in] in every file. */
  #isTransposed(name: string, parameter: Parameter): boolean {
    return parameter.isStoredTransposed && this.checkpoint.packed(name) === undefined;
  }

  /** A parameter's shape in the file. */
  #shapeOf(name: string, parameter: Parameter): readonly number[] {
    return this.#isTransposed(name, parameter) ? parameter.storedShape : parameter.shape;
  }

  /**
   * The name of a parameter's tensor, checked against the file's header.
   * @throws BidoraError `WEIGHTS` if it is missing, has another shape, or holds integers
   */
  require(path: string, parameter: Parameter): string {
    const name = this.find(path);
    if (!name) throw this.missing(path);
    const info = this.checkpoint.info(name);
    const { dtype: stored, fileName = name } = info;
    if (isInteger(stored)) {
      throw new BidoraError(
        "WEIGHTS",
        `Tensor ${fileName} in ${this.checkpoint.folder} has dtype ${stored}, but weights are floats; convert it to F32 or BF16.`,
      );
    }
    const wanted = this.#shapeOf(name, parameter);
    if (!torch.sameShape(info.shape, wanted))
      throw new BidoraError("WEIGHTS", `Tensor ${fileName} in ${this.checkpoint.folder} ${misshapen(info, wanted)}.`);
    return name;
  }

  private find(path: string): string | undefined {
    const read = this.aliases.get(path) ?? path;
    return this.namesOf(read).find((name) => this.checkpoint.has(name));
  }

  private namesOf(path: string): readonly string[] {
    const { prefix: usual } = this.architecture;
    if (this.prefix === usual) return checkpointNames(this.architecture, path);
    if (this.prefix === "") return checkpointNames(this.architecture, `${usual}.${path}`);
    if (!path.startsWith(`${this.prefix}.`)) return checkpointNames(this.architecture, path);
    return [path, ...checkpointNames(this.architecture, `${usual}${path.slice(this.prefix.length)}`)];
  }

  private missing(path: string): BidoraError {
    const names = this.namesOf(path).join(", ");
    return new BidoraError("WEIGHTS", `${this.checkpoint.folder} lacks the weight ${path}; looked for ${names}.`);
  }
}

/** Why the values can't be packed, or undefined. */
function unfit(values: torch.Tensor, most: number): string | undefined {
  if (values.numel === 0) return undefined;
  const ends = [torch.min(values).item(), torch.max(values).item()];
  if (!ends.every(Number.isFinite)) return "some values are not finite";
  const largest = Math.max(...ends.map(Math.abs));
  return largest > most ? `${largest} is too large` : undefined;
}

/** How a checkpoint's tied weights are read. */
interface Ties {
  /** The effective `config.json`. */
  readonly config: JsonObject;
  /** For a parameter's path, another path whose tensor is read instead. */
  readonly aliases: ReadonlyMap<string, string>;
}

/**
 * Resolves tied embeddings as transformers 5 does: they are not tied if the checkpoint has two different tensors, and if it has only
 * the output matrix, that is used as the embeddings.
 * @param dtype the dtype in which the two tensors are compared
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
  const read = (name: string) => torch.castTo(checkpoint.readTensor(name, false, dtype), dtype);
  const isSame =
    torch.sameShape(checkpoint.info(ownName).shape, checkpoint.info(tableName).shape) &&
    torch.noGrad(() => torch.scope(() => torch.equal(read(ownName), read(tableName))));
  return { config: isSame ? config : { ...config, tie_word_embeddings: false }, aliases: new Map() };
}

function isTied(architecture: Architecture, config: JsonObject): boolean {
  return (architecture.parseConfig(config) as Partial<LanguageConfig>).tiesEmbeddings === true;
}

/** Readers of the values that matrices were packed from, each [out, in]. Matrices that the file has packed have none. */
export type OriginalWeights = ReadonlyMap<Parameter, (dtype: torch.DType) => torch.Tensor>;

/** Calls `body` with the original weights of a model, in the folder that it was loaded from. */
export function withOriginalWeights<T>(
  folder: string,
  { architecture, model }: { readonly architecture: Architecture; readonly model: TaskModel },
  body: (originals: OriginalWeights) => T,
): T {
  const checkpoint = openCheckpoint(folder);
  try {
    const weights = new WeightSource(checkpoint, architecture, undefined, model.prefix);
    const isMade = ([path, parameter]: readonly [string, Parameter]) =>
      parameter.values instanceof PackedWeight &&
      weights.packed(path, parameter)?.format !== parameter.values.format.name;
    const made = [...model.baseParameters()].filter(isMade);
    return body(new Map(made.map(([path, parameter]) => [parameter, (dtype) => weights.read(path, parameter, dtype)])));
  } finally {
    checkpoint.close();
  }
}
