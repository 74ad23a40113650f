#pragma once
#include <algorithm>
#include <cstdint>
#include <cstring>
#include "processors.h"

// Float vectors of which some values are values of bfloat16: the lower 16 bits are 0.

/** Values that are moved at a time: through memory of their own, so that vector instructions can be used where they overlap. */
constexpr int64_t MOVED = 1024;

/** The nearest value of bfloat16, ties to even. NaN stays NaN. */
static inline float nearestBfloat16(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  const bool isNan = (bits & 0x7fffffff) > 0x7f800000;
  bits = (isNan ? bits | 0x00400000 : bits + 0x7fff + ((bits >> 16) & 1)) & 0xffff0000;
  std::memcpy(&value, &bits, sizeof(bits));
  return value;
}

FOR_EACH_PROCESSOR
static void roundAll(float* vector, int64_t count) {
  for (int64_t i = 0; i < count; i++) vector[i] = nearestBfloat16(vector[i]);
}

FOR_EACH_PROCESSOR
static void addRounded(float* __restrict left, const float* __restrict right, int64_t begin, int64_t end) {
  for (int64_t i = begin; i < end; i++) left[i] = nearestBfloat16(left[i] + right[i]);
}

FOR_EACH_PROCESSOR
static void upperHalves(uint16_t* __restrict halves, const uint32_t* __restrict bits, int64_t count) {
  for (int64_t i = 0; i < count; i++) halves[i] = static_cast<uint16_t>(bits[i] >> 16);
}

FOR_EACH_PROCESSOR
static void widened(uint32_t* __restrict bits, const uint16_t* __restrict halves, int64_t count) {
  for (int64_t i = 0; i < count; i++) bits[i] = static_cast<uint32_t>(halves[i]) << 16;
}

/** Moves the upper halves of `count` values behind each other, to end where the values end. From the last one: none is written over unread. */
static void pack(float* vector, int64_t count) {
  uint16_t* packed = reinterpret_cast<uint16_t*>(vector) + count;
  uint16_t halves[MOVED];
  uint32_t bits[MOVED];
  for (int64_t end = count; end > 0; end -= MOVED) {
    const int64_t begin = std::max<int64_t>(0, end - MOVED), moved = end - begin;
    std::memcpy(bits, vector + begin, moved * sizeof(*bits));
    upperHalves(halves, bits, moved);
    std::memcpy(packed + begin, halves, moved * sizeof(*halves));
  }
}

/** The values from `begin` to `end` of what {@link pack} made; from the first one on: none is written over unread. */
static void unpack(float* vector, int64_t count, int64_t begin, int64_t end) {
  const uint16_t* packed = reinterpret_cast<const uint16_t*>(vector) + count;
  uint16_t halves[MOVED];
  uint32_t bits[MOVED];
  for (int64_t first = begin; first < end; first += MOVED) {
    const int64_t moved = std::min(MOVED, end - first);
    std::memcpy(halves, packed + first, moved * sizeof(*halves));
    widened(bits, halves, moved);
    std::memcpy(vector + first, bits, moved * sizeof(*bits));
  }
}
