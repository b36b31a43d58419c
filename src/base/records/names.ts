// The names of files that bidora writes, apart from those with a schema, whose names are next to it.
import { ADAPTER_CONFIG, ADAPTER_WEIGHTS } from "../huggingFaceFiles.js";

/** Weights of an adapter that PEFT can't hold, such as magnitudes along "in": PEFT would misread them under its own file name. */
export const OWN_WEIGHTS = "bidora_adapter.safetensors";
export const ADAPTER_METADATA = "bidora.json";
/** The files of an adapter that hold tensors. */
export const ADAPTER_WEIGHT_FILES: readonly string[] = [ADAPTER_WEIGHTS, OWN_WEIGHTS];
/** Every file that an adapter can consist of. */
export const ADAPTER_FILES: readonly string[] = [ADAPTER_CONFIG, ...ADAPTER_WEIGHT_FILES, ADAPTER_METADATA];

/** The first file that a run writes. It marks the folder as a run of bidora. */
export const MARKER = ".bidora-run";
export const RUN_FILE = "run.yaml";
export const CARD = "README.md";
export const REPORT = "report.html";
/** The folder of TensorBoard's event files. */
export const TENSORBOARD = "tensorboard";
export const PROFILE = { table: "profile.txt", trace: "profile.json" } as const;

/** An event file that bidora writes for TensorBoard. Other programs put the host's name where "bidora" is. */
const EVENT_FILE = /^events\.out\.tfevents\.(\d{10,})\.bidora\.\d+$/;

export const isEventFile = (name: string): boolean => EVENT_FILE.test(name);

/** The time in an event file's name, in seconds since 1970; 0 for another name. */
export const eventFileSeconds = (name: string): number => Number(EVENT_FILE.exec(name)?.[1] ?? 0);

export const eventFileName = (seconds: number): string =>
  `events.out.tfevents.${String(seconds).padStart(10, "0")}.bidora.${process.pid}`;
