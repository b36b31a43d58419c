import * as z from "zod";
import type { AdapterConfig } from "../config.js";
import type { AdapterMethod } from "../method.js";
import { checkedKeys } from "../peft/targetKeys.js";

/** BitFit has no settings of its own: the biases are all of them. */
export interface BitfitConfig extends AdapterConfig {
  readonly method: "bitfit";
  readonly bias: "all";
}

const bitfitConfig = ({ modulesToSave = [] }: Partial<BitfitConfig>): BitfitConfig => ({
  method: "bitfit",
  bias: "all",
  modulesToSave,
});

const keys = z.object({ modules_to_save: z.array(z.string()).nullable() });

/**
 * BitFit (arXiv 2106.10199): no new tensors. Every bias of the model and the whole head are trained, and saved as they are. PEFT
 * has no such type; `BITFIT` stands in this program's own files alone.
 */
export const bitfit: AdapterMethod<BitfitConfig, Record<never, never>> = {
  about: "biases only",
  learningRate: 1e-3,
  options: {},
  retunable: [],
  config: bitfitConfig,
  fromSettings: () => ({}),
  toSettings: () => ({}),
  codec: {
    peftType: "BITFIT",
    whyNotPeft: () => "PEFT has no BitFit",
    defaults: { modules_to_save: null },
    parse(file, json) {
      const { modules_to_save: modules } = checkedKeys(file, keys, json);
      return bitfitConfig({ modulesToSave: modules ?? [] });
    },
    render: ({ modulesToSave }) => ({ modules_to_save: [...modulesToSave] }),
    suffixes: [],
  },
};
