// The levels of instructions, of which the best that this processor has is used.
#pragma once

#include <string>
#include <vector>

#include "functions.h"

namespace bidora {

// The level in use.
const Level& level();

// Those that this processor has, the best last.
std::vector<const Level*> usableLevels();

// Throws std::invalid_argument when there is no such level, or not on this processor. Not while operators run.
void useLevel(const std::string& name);

}  // namespace bidora
