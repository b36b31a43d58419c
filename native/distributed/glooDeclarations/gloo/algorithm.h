// Stands in for Gloo's header of this name: c10d's declaration of ProcessGroupGloo needs nothing of it. libtorch
// contains Gloo but ships no headers of it.
#pragma once
