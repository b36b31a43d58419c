// What the processor has beside the levels' instructions.
#pragma once

namespace bidora {

// Tiles (AMX) for bfloat16, which oneDNN multiplies with faster than any of our levels.
bool hasTiles();

}  // namespace bidora
