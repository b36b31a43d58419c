export const BIASES = ["none", "adapted", "all"] as const;

/** What the settings of every adapter say. */
export interface AdapterConfig {
  /** Its name in the registry. */
  readonly method: string;
  /** Biases of the model that are trained beside: none, those of adapted layers, or every one. */
  readonly bias: (typeof BIASES)[number];
  /** Whether the norms of the model are trained beside; not unless it says so. */
  readonly trainsNorms?: boolean;
  /** Modules trained and saved whole: the head, and what was newly drawn. */
  readonly modulesToSave: readonly string[];
}

/** Which modules an adapter goes to: names or path ends, a regular expression over the whole path, or `all-linear`. */
export type TargetModules = readonly string[] | string;

/** Values by module: keys are regular expressions for the end of a path; the first that matches counts. */
export type Pattern = Readonly<Record<string, number>>;

/** Settings of an adapter that is put into layers; names and meanings are PEFT's. */
export interface TargetedConfig extends AdapterConfig {
  readonly targetModules: TargetModules;
  readonly excludeModules: TargetModules | undefined;
  readonly layersToTransform: readonly number[] | undefined;
  readonly layersPattern: readonly string[] | undefined;
}

/** Every linear layer, and nothing of the model itself. */
export const TARGET_DEFAULTS: Omit<TargetedConfig, "method"> = {
  targetModules: "all-linear",
  excludeModules: undefined,
  layersToTransform: undefined,
  layersPattern: undefined,
  bias: "none",
  modulesToSave: [],
};
