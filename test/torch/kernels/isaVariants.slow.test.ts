import * as torch from "../../../src/torch/index.js";
import { testVariants } from "./otherVariants.js";

const { isaVariant, isaVariants } = torch.engineFacts();
testVariants(isaVariants.slice(1).filter((variant) => variant !== isaVariant));
