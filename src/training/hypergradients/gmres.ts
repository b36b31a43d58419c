/** An approximate solution x of A·x = b. */
export interface Solution {
  readonly x: Float64Array;
  /** ‖b − A·x‖ / ‖b‖, as computed from x. */
  readonly residual: number;
  /** How often A was applied to find x. */
  readonly products: number;
}

export interface SolutionLimits {
  /** The relative residual to reach. */
  readonly tolerance: number;
  readonly mostProducts: number;
}

/**
 * GMRES (Saad and Schultz 1986) from zero, without restarts: of all x in the space that the products so far span, the one with the smallest
 * residual. A may be indefinite. After as many products as b is long the space is everything, and x exact up to rounding.
 */
export async function gmres(
  product: (x: Float64Array) => Float64Array | Promise<Float64Array>,
  b: Float64Array,
  limits: SolutionLimits,
): Promise<Solution> {
  const size = norm(b);
  if (size === 0) return { x: new Float64Array(b.length), residual: 0, products: 0 };
  const basis = [scaled(b, 1 / size)];
  const projected = new LeastSquares(size);
  while (projected.columns < Math.min(limits.mostProducts, b.length)) {
    const next = await product(basis.at(-1)!);
    const column = orthogonalize(next, basis);
    const left = norm(next);
    projected.add([...column, left]);
    if (projected.residual <= limits.tolerance * size || left <= ROUNDING * norm(Float64Array.of(...column, left)))
      break;
    basis.push(scaled(next, 1 / left));
  }
  const x = new Float64Array(b.length);
  for (const [i, weight] of projected.solution().entries()) addTo(x, basis[i]!, weight);
  const error = Float64Array.from(b);
  addTo(error, await product(x), -1);
  return { x, residual: norm(error) / size, products: projected.columns };
}

/** A new direction this much shorter than the product that it is left of is rounding: the space contains the solution. */
const ROUNDING = 1e-14;

/** Subtracts the parts of `vector` along the basis, twice, so that rounding leaves none. @returns the parts */
function orthogonalize(vector: Float64Array, basis: readonly Float64Array[]): number[] {
  const parts = basis.map(() => 0);
  for (let round = 0; round < 2; round++)
    for (const [i, along] of basis.entries()) {
      const part = inner(vector, along);
      parts[i] = parts[i]! + part;
      addTo(vector, along, -part);
    }
  return parts;
}

/** min ‖size·e₁ − H·y‖ for a Hessenberg matrix H that grows by columns, kept triangular by Givens rotations. */
class LeastSquares {
  readonly #triangle: number[][] = [];
  readonly #rotations: (readonly [cosine: number, sine: number])[] = [];
  readonly #right: number[];

  constructor(size: number) {
    this.#right = [size];
  }

  get columns(): number {
    return this.#triangle.length;
  }

  get residual(): number {
    return Math.abs(this.#right.at(-1)!);
  }

  add(column: number[]): void {
    for (const [i, rotation] of this.#rotations.entries()) rotate(column, i, rotation);
    const [above, below] = column.slice(-2) as [number, number];
    const length = Math.hypot(above, below);
    const rotation = length === 0 ? ([1, 0] as const) : ([above / length, below / length] as const);
    rotate(column, column.length - 2, rotation);
    this.#right.push(0);
    rotate(this.#right, this.#right.length - 2, rotation);
    this.#rotations.push(rotation);
    this.#triangle.push(column.slice(0, -1));
  }

  solution(): Float64Array {
    const y = Float64Array.from(this.#right.slice(0, -1));
    for (let i = y.length - 1; i >= 0; i--) {
      const pivot = this.#triangle[i]![i]!;
      y[i] = pivot === 0 ? 0 : y[i]! / pivot;
      for (let row = 0; row < i; row++) y[row] = y[row]! - this.#triangle[i]![row]! * y[i]!;
    }
    return y;
  }
}

function rotate(column: number[], i: number, [cosine, sine]: readonly [number, number]): void {
  const [above, below] = [column[i]!, column[i + 1]!];
  column[i] = cosine * above + sine * below;
  column[i + 1] = cosine * below - sine * above;
}

function inner(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

export const norm = (vector: Float64Array): number => Math.sqrt(inner(vector, vector));

const scaled = (vector: Float64Array, factor: number): Float64Array => vector.map((value) => factor * value);

function addTo(target: Float64Array, vector: Float64Array, factor: number): void {
  for (let i = 0; i < target.length; i++) target[i] = target[i]! + factor * vector[i]!;
}
