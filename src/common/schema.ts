/** What checks a value and gives it a type: zod's schemas, as far as they are used, so that the package's types do not need zod's. */
export interface Schema<T = unknown> {
  safeParse(value: unknown): Parsed<T>;
}

type Parsed<T> =
  | { readonly success: true; readonly data: T }
  | { readonly success: false; readonly error: { readonly issues: readonly Issue[] } };

/** What is wrong with a value. */
interface Issue {
  /** The keys that lead to it. */
  readonly path: readonly PropertyKey[];
  readonly message: string;
}
