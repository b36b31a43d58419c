// Processor features besides the ISA variants' instructions.
#pragma once

namespace bidora {

// AMX tiles for bfloat16.
bool hasTiles();

// AMX tiles for int8.
bool hasByteTiles();

}  // namespace bidora
