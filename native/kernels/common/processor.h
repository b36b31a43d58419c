// Processor features besides the ISA variants' instructions.
#pragma once

namespace bidora {

// AMX tiles for bfloat16, with which oneDNN's products are faster than those of our ISA variants.
bool hasTiles();

}  // namespace bidora
