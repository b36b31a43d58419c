/** What checks a value and gives it a type: zod's schemas, as far as they are used, so that the package's types do not need zod's. */
export interface Schema<T = unknown> {
  /** The value with its type, or its faults: the keys that lead to each, and a message. */
  safeParse(value: unknown):
    | { readonly success: true; readonly data: T }
    | {
        readonly success: false;
        readonly error: {
          readonly issues: readonly { readonly path: readonly PropertyKey[]; readonly message: string }[];
        };
      };
}
