// Stands in for Gloo's header of this name: c10d's declaration of ProcessGroupGloo needs nothing of it.
#pragma once
