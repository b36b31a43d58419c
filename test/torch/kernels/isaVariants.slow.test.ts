import * as torch from "../../../src/torch/index.js";
import { testVariants } from "./otherVariants.js";

const { isaVariant, isaVariants } = torch.engineFacts();
testVariants(isaVariants.filter((variant) => variant !== isaVariant));
