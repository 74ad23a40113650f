#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include "processors.h"

// Sums, checks and means of float vectors, from element `begin` to `end`.

/** Elements between two looks at whether all were good, and of a mean whose squares are added while it is in the cache. */
constexpr int64_t BLOCK = 4096;

FOR_EACH_PROCESSOR
static void add(float* __restrict left, const float* __restrict right, int64_t begin, int64_t end) {
  for (int64_t i = begin; i < end; i++) left[i] += right[i];
}

FOR_EACH_PROCESSOR
static bool areGood(const float* vector, int64_t begin, int64_t end, float most) {
  int32_t bad = 0;
  // A comparison with NaN is false.
  for (int64_t i = begin; i < end; i++) bad |= !(std::fabs(vector[i]) <= most);
  return bad == 0;
}

/** @returns -1 when all are good */
static int64_t firstBad(const float* vector, int64_t begin, int64_t end, float most) {
  for (int64_t block = begin; block < end; block += BLOCK) {
    const int64_t last = std::min(block + BLOCK, end);
    if (areGood(vector, block, last, most)) continue;
    for (int64_t i = block; i < last; i++)
      if (!(std::fabs(vector[i]) <= most)) return i;
  }
  return -1;
}

FOR_EACH_PROCESSOR
static void mean(float* __restrict sum, const float* __restrict weights, double batchSize, double l2, int64_t begin, int64_t end) {
  for (int64_t i = begin; i < end; i++) sum[i] = static_cast<float>(sum[i] / batchSize + 2 * l2 * weights[i]);
}

/** Sums that are added up separately, as the registers of a processor are: element i to sum i % 8. */
constexpr int64_t LANES = 8;

FOR_EACH_PROCESSOR
static void addSquares(const float* vector, double* lanes, int64_t begin, int64_t end) {
  double sums[LANES];
  for (int64_t lane = 0; lane < LANES; lane++) sums[lane] = lanes[lane];
  int64_t i = begin;
  for (; i < end && i % LANES != 0; i++) sums[i % LANES] += static_cast<double>(vector[i]) * vector[i];
  for (; i + LANES <= end; i += LANES)
    for (int64_t lane = 0; lane < LANES; lane++) {
      const double value = vector[i + lane];
      sums[lane] += value * value;
    }
  for (; i < end; i++) sums[i % LANES] += static_cast<double>(vector[i]) * vector[i];
  for (int64_t lane = 0; lane < LANES; lane++) lanes[lane] = sums[lane];
}

/** A tensor inside of the vectors, with a number of its own: its L2, or its weight decay. Doubles, as TypeScript passes them. */
struct Tensor {
  double offset, size, value;
};

/** Calls `work(tensor, begin, end)` for the part of each tensor from `begin` to `end`. */
template <typename Work>
void forEachTensor(const Tensor* tensors, int64_t count, int64_t begin, int64_t end, const Work& work) {
  for (const Tensor* tensor = tensors; tensor < tensors + count; tensor++) {
    const int64_t offset = static_cast<int64_t>(tensor->offset), size = static_cast<int64_t>(tensor->size);
    const int64_t first = std::max(offset, begin), last = std::min(offset + size, end);
    if (first < last) work(*tensor, first, last);
  }
}

/** The means over a batch with L2, in place. @returns the sum of their squares: lane 0 begins at `begin`, and the lanes are added in order */
static double average(float* sum, const float* weights, double batchSize, const Tensor* tensors, int64_t count, int64_t begin,
                      int64_t end) {
  double lanes[LANES] = {};
  forEachTensor(tensors, count, begin, end, [&](const Tensor& tensor, int64_t first, int64_t last) {
    for (int64_t block = first; block < last; block += BLOCK) {
      const int64_t blockEnd = std::min(block + BLOCK, last);
      mean(sum, weights, batchSize, tensor.value, block, blockEnd);
      addSquares(sum + begin, lanes, block - begin, blockEnd - begin);
    }
  });
  double total = 0;
  for (const double lane : lanes) total += lane;
  return total;
}
