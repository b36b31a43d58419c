// The methods that a comparison's file defines: `{name: dora-matched, method: dora, normGradient: full}`.
import { firstRepeated, UsageError } from "../../../base/index.js";
import type { RunSettings } from "../../../tasks/config/index.js";
import { type DefinedMethod, EARLY, variantNamed, variantsOf } from "./variants.js";

type Entry = string | Readonly<Record<string, unknown>>;

/** Every run of a method is in a folder of its name. */
const NAME = /^(?!\.{1,2}$)[\w.+-]+$/;

/** The names in a list of methods. */
export const namesIn = (methods: readonly Entry[]): string[] =>
  methods.map((entry) => (typeof entry === "string" ? entry : String(entry.name)));

/**
 * The methods that a list defines, in its order.
 * @param checked checks the settings of one, which stand at `where`
 * @throws UsageError for a missing, unsuitable or known name, an unknown method, and wrong settings
 */
export function definedIn(
  methods: readonly Entry[],
  checked: (settings: object, where: string) => RunSettings,
): DefinedMethod[] {
  const defined = methods.flatMap((entry, i) => (typeof entry === "string" ? [] : [definedMethod(entry, i, checked)]));
  const twice = firstRepeated(defined.map(({ name }) => name.toLowerCase()));
  if (twice !== undefined)
    throw new UsageError(`The list of methods defines ${twice} twice: give each a name of its own.`);
  return defined;
}

function definedMethod(
  { name, method, ...settings }: Readonly<Record<string, unknown>>,
  index: number,
  checked: (settings: object, where: string) => RunSettings,
): DefinedMethod {
  const where = `method ${index + 1} of the list`;
  if (typeof name !== "string" || !NAME.test(name) || name.endsWith(EARLY))
    throw new UsageError(
      `In ${where}: name takes letters, digits and ._+-, without ${EARLY} at the end, since its runs are in a folder of its name; got ${String(name)}.`,
    );
  if (variantNamed(name.toLowerCase()))
    throw new UsageError(`In ${where}: ${name} is a method already: give yours another name.`);
  if (typeof method !== "string" || !variantNamed(method)) throw unknownMethod(method, where);
  return { name, method, settings: checked(settings, `the settings of ${name}`) };
}

function unknownMethod(method: unknown, where: string): UsageError {
  if (method === undefined) return new UsageError(`In ${where}: method is missing, such as method: dora.`);
  try {
    variantsOf([String(method)]);
  } catch (error) {
    return new UsageError(`In ${where}: ${(error as Error).message.replace("--methods", "method")}`);
  }
  return new UsageError(`In ${where}: method takes a name; got ${JSON.stringify(method)}.`);
}
