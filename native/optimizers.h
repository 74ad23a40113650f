#pragma once
#include <cmath>
#include <cstdint>
#include "processors.h"

// The steps of the optimizers, from element `begin` to `end`. Numbers are doubles unless they are stored: a float that is read becomes one.

struct Sgd {
  double scale, rate, momentum;
  bool nesterov;
};

FOR_EACH_PROCESSOR
static void sgd(float* __restrict weights, const float* __restrict gradient, float* __restrict velocity, const Sgd& settings,
                int64_t begin, int64_t end) {
  const Sgd s = settings;
  if (s.nesterov) {
    for (int64_t i = begin; i < end; i++) {
      const double g = static_cast<float>(gradient[i] * s.scale);
      const double v = velocity[i] = static_cast<float>(s.momentum * velocity[i] + g);
      weights[i] = static_cast<float>(weights[i] - s.rate * (g + s.momentum * v));
    }
  } else {
    for (int64_t i = begin; i < end; i++) {
      const double g = static_cast<float>(gradient[i] * s.scale);
      const double v = velocity[i] = static_cast<float>(s.momentum * velocity[i] + g);
      weights[i] = static_cast<float>(weights[i] - s.rate * v);
    }
  }
}

struct AdamW {
  double scale, rate, beta1, beta2, epsilon, beta1Power, beta2Power;
};

FOR_EACH_PROCESSOR
static void adamw(float* __restrict weights, const float* __restrict gradient, float* __restrict first, float* __restrict second,
                  const AdamW& settings, double decay, int64_t begin, int64_t end) {
  const AdamW s = settings;
  for (int64_t i = begin; i < end; i++) {
    const double g = static_cast<float>(gradient[i] * s.scale);
    const double m = first[i] = static_cast<float>(s.beta1 * first[i] + (1 - s.beta1) * g);
    const double v = second[i] = static_cast<float>(s.beta2 * second[i] + (1 - s.beta2) * g * g);
    const double w = weights[i];
    const double step = m / (1 - s.beta1Power) / (std::sqrt(v / (1 - s.beta2Power)) + s.epsilon);
    weights[i] = static_cast<float>(w - decay * w - s.rate * step);
  }
}

struct Rmsprop {
  double scale, rate, decay, momentum, epsilon;
  bool centered;
};

FOR_EACH_PROCESSOR
static void rmsprop(float* __restrict weights, const float* __restrict gradient, float* __restrict meanSquare,
                    float* __restrict change, float* __restrict meanGradient, const Rmsprop& settings, int64_t begin, int64_t end) {
  const Rmsprop s = settings;
  for (int64_t i = begin; i < end; i++) {
    const double g = static_cast<float>(gradient[i] * s.scale);
    const double square = meanSquare[i] = static_cast<float>(s.decay * meanSquare[i] + (1 - s.decay) * g * g);
    double divisor = square + s.epsilon;
    if (s.centered) {
      const double mean = meanGradient[i] = static_cast<float>(s.decay * meanGradient[i] + (1 - s.decay) * g);
      divisor = square - (mean * mean + s.epsilon);
    }
    const double step = divisor > 0 ? s.rate * g / std::sqrt(divisor) : 0;
    const double moved = change[i] = static_cast<float>(s.momentum * change[i] + step);
    weights[i] = static_cast<float>(weights[i] - moved);
  }
}

struct Adagrad {
  double scale, rate, epsilon;
};

FOR_EACH_PROCESSOR
static void adagrad(float* __restrict weights, const float* __restrict gradient, float* __restrict accumulator,
                    const Adagrad& settings, int64_t begin, int64_t end) {
  const Adagrad s = settings;
  for (int64_t i = begin; i < end; i++) {
    const double g = static_cast<float>(gradient[i] * s.scale);
    const double sum = accumulator[i] = static_cast<float>(accumulator[i] + g * g);
    weights[i] = static_cast<float>(weights[i] - s.rate * g / std::sqrt(sum + s.epsilon));
  }
}

struct Adadelta {
  double scale, rate, rho, epsilon;
};

FOR_EACH_PROCESSOR
static void adadelta(float* __restrict weights, const float* __restrict gradient, float* __restrict squaredGradients,
                     float* __restrict squaredUpdates, const Adadelta& settings, int64_t begin, int64_t end) {
  const Adadelta s = settings;
  for (int64_t i = begin; i < end; i++) {
    const double g = static_cast<float>(gradient[i] * s.scale);
    const double before = squaredGradients[i], updates = squaredUpdates[i];
    const double step = std::sqrt(updates + s.epsilon) / std::sqrt(before + s.epsilon) * g;
    squaredGradients[i] = static_cast<float>(s.rho * before + (1 - s.rho) * g * g);
    squaredUpdates[i] = static_cast<float>(s.rho * updates + (1 - s.rho) * step * step);
    weights[i] = static_cast<float>(weights[i] - s.rate * step);
  }
}

struct Adamax {
  /** The rate is that of the step, with the bias correction. */
  double scale, rate, beta1, beta2, epsilon;
};

FOR_EACH_PROCESSOR
static void adamax(float* __restrict weights, const float* __restrict gradient, float* __restrict first,
                   float* __restrict largest, const Adamax& settings, int64_t begin, int64_t end) {
  const Adamax s = settings;
  for (int64_t i = begin; i < end; i++) {
    const double g = static_cast<float>(gradient[i] * s.scale);
    const double m = first[i] = static_cast<float>(s.beta1 * first[i] + (1 - s.beta1) * g);
    const double before = s.beta2 * largest[i], now = std::fabs(g);
    // NaN if one of them is, as Math.max.
    const double u = largest[i] = static_cast<float>(before > now || before != before ? before : now);
    weights[i] = static_cast<float>(weights[i] - s.rate * (m / (u + s.epsilon)));
  }
}
