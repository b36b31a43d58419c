import { enginePlaces } from "../../src/torch/installations/index.js";

/** The folder of the addon that was built on this machine: a platform package has neither a stamp nor object files. */
export const builtFolder = (): string => enginePlaces().find(({ source }) => source !== "platform package")!.folder;
