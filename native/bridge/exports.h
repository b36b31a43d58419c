// Functions by which each file of the addon adds its exports.
#pragma once

#include <napi.h>

namespace bidora {

void exportCall(Napi::Object exports);
void exportTensors(Napi::Object exports);
void exportAutograd(Napi::Object exports);
void exportGenerators(Napi::Object exports);
void exportEngine(Napi::Object exports);
void exportDevices(Napi::Object exports);
void exportProfile(Napi::Object exports);
void exportTape(Napi::Object exports);
void exportCheckpoint(Napi::Object exports);
void exportPass(Napi::Object exports);
void exportDistributed(Napi::Object exports);
void exportSharedMemory(Napi::Object exports);

}  // namespace bidora
