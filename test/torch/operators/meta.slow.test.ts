import { families } from "../../parity/goldenFiles.js";
import { FEW_FAMILIES, testFamilies } from "./metaSteps.js";

testFamilies(families.filter((family) => !FEW_FAMILIES.includes(family)));
