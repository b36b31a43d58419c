// What the processor has besides the ISA variants' instructions.
#pragma once

namespace bidora {

// Tiles (AMX) for bfloat16: with them oneDNN's products are faster than those of any ISA variant of ours.
bool hasTiles();

}  // namespace bidora
