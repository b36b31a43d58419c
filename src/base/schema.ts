/** What checks a value and gives it a type: zod's schemas, as far as they are used, so that the package's types do not need zod's. */
export interface Schema<T = unknown> {
  /** The value with its type, or its faults: the keys that lead to each, and a message. */
  safeParse(
    value: unknown,
  ):
    | { readonly success: true; readonly data: T }
    | { readonly success: false; readonly error: { readonly issues: readonly Fault[] } };
}

/** What is wrong with a value. */
interface Fault {
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

/** The first fault of a value. @param whole the name of the value itself, where no key leads to the fault */
export function firstFault(faults: readonly Fault[], whole: string): { readonly key: string; readonly what: string } {
  const [{ path, message } = { path: [], message: "it is invalid" }] = faults;
  return { key: path.join(".") || whole, what: message.replace("received undefined", "but it is missing") };
}
