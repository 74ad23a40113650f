// The loops over long vectors, for processors' vector instructions and on several threads. Each does what the TypeScript function of its name
// does, to the last bit: arithmetic is double, element by element, and rounded to float where it is stored. Compiled with
// -ffp-contract=off: a fused multiply-add would round once where TypeScript rounds twice.
#include <node_api.h>
#include <unistd.h>
#include <atomic>
#include <cerrno>
#include "bfloat16.h"
#include "copy-with-crc32.h"
#include "mapped-file.h"
#include "optimizers.h"
#include "thread-pool.h"
#include "vectors.h"

namespace {

/** Elements that a thread takes at a time: short pieces keep all threads at work to the end. */
constexpr int64_t PIECE = 1 << 16;

/** Calls `work(begin, end)` for all pieces from element `begin` to `end`, on so many threads. */
template <typename Work>
void forEachPiece(int64_t begin, int64_t end, int64_t threads, const Work& work) {
  ThreadPool::ofProcess().run((end - begin + PIECE - 1) / PIECE, threads, [&](int64_t piece) {
    const int64_t first = begin + piece * PIECE;
    work(first, std::min(first + PIECE, end));
  });
}

/** The arguments of a call, one after the other. Callers are trusted: they are the functions beside TypeScript's loops. */
class Arguments {
 public:
  Arguments(napi_env env, napi_callback_info info) : env_(env) {
    size_t count = MAX;
    napi_get_cb_info(env, info, &count, values_, nullptr, nullptr);
  }
  float* vector() { return static_cast<float*>(data(nullptr)); }
  /** Three doubles each. */
  const Tensor* tensors(int64_t* count) {
    size_t length = 0;
    void* table = data(&length);
    *count = static_cast<int64_t>(length / 3);
    return static_cast<const Tensor*>(table);
  }
  uint8_t* bytes() { return static_cast<uint8_t*>(data(nullptr)); }
  double* doubles(int64_t* count) {
    size_t length = 0;
    void* values = data(&length);
    *count = static_cast<int64_t>(length);
    return static_cast<double*>(values);
  }
  double number() {
    double value = 0;
    napi_get_value_double(env_, values_[next_++], &value);
    return value;
  }
  int64_t integer() { return static_cast<int64_t>(number()); }

 private:
  void* data(size_t* length) {
    void* data = nullptr;
    napi_get_typedarray_info(env_, values_[next_++], nullptr, length, &data, nullptr, nullptr);
    return data;
  }

  static constexpr size_t MAX = 16;
  napi_env env_;
  napi_value values_[MAX];
  size_t next_ = 0;
};

napi_value callAdd(napi_env env, napi_callback_info info) {
  Arguments given(env, info);
  float* left = given.vector();
  const float* right = given.vector();
  const int64_t length = given.integer(), threads = given.integer(), rounded = given.integer();
  forEachPiece(0, length, threads, [&](int64_t begin, int64_t end) {
    addRounded(left, right, begin, std::min(end, rounded));
    add(left, right, std::max(begin, rounded), end);
  });
  return nullptr;
}

napi_value callRound(napi_env env, napi_callback_info info) {
  Arguments given(env, info);
  float* vector = given.vector();
  roundAll(vector, given.integer());
  return nullptr;
}

napi_value callPack(napi_env env, napi_callback_info info) {
  Arguments given(env, info);
  float* vector = given.vector();
  pack(vector, given.integer());
  return nullptr;
}

napi_value callUnpack(napi_env env, napi_callback_info info) {
  Arguments given(env, info);
  float* vector = given.vector();
  const int64_t count = given.integer(), begin = given.integer(), end = given.integer();
  unpack(vector, count, begin, end);
  return nullptr;
}

napi_value callFirstBad(napi_env env, napi_callback_info info) {
  Arguments given(env, info);
  const float* vector = given.vector();
  const float most = static_cast<float>(given.number());
  const int64_t length = given.integer(), threads = given.integer();
  std::atomic<int64_t> first{length};
  forEachPiece(0, length, threads, [&](int64_t begin, int64_t end) {
    if (begin > first) return;
    const int64_t found = firstBad(vector, begin, end, most);
    for (int64_t before = first; found >= 0 && found < before && !first.compare_exchange_weak(before, found);) {
    }
  });
  napi_value result;
  napi_create_double(env, first == length ? -1 : static_cast<double>(first), &result);
  return result;
}

napi_value callAverage(napi_env env, napi_callback_info info) {
  Arguments given(env, info);
  float* sum = given.vector();
  const float* weights = given.vector();
  const double batchSize = given.number();
  int64_t count = 0, slices = 0;
  const Tensor* tensors = given.tensors(&count);
  double* squares = given.doubles(&slices);
  const int64_t sliceLength = given.integer(), length = given.integer(), threads = given.integer();
  ThreadPool::ofProcess().run(slices, threads, [&](int64_t slice) {
    const int64_t begin = slice * sliceLength;
    squares[slice] = average(sum, weights, batchSize, tensors, count, begin, std::min(begin + sliceLength, length));
  });
  return nullptr;
}

napi_value callSgd(napi_env env, napi_callback_info info) {
  Arguments given(env, info);
  float *weights = given.vector(), *gradient = given.vector(), *velocity = given.vector();
  const Sgd settings{given.number(), given.number(), given.number(), given.number() != 0};
  const int64_t begin = given.integer(), end = given.integer(), threads = given.integer();
  forEachPiece(begin, end, threads,
               [&](int64_t first, int64_t last) { sgd(weights, gradient, velocity, settings, first, last); });
  return nullptr;
}

napi_value callAdamw(napi_env env, napi_callback_info info) {
  Arguments given(env, info);
  float *weights = given.vector(), *gradient = given.vector(), *first = given.vector(), *second = given.vector();
  const AdamW settings{given.number(), given.number(), given.number(), given.number(),
                       given.number(), given.number(), given.number()};
  int64_t count = 0;
  const Tensor* tensors = given.tensors(&count);
  const int64_t begin = given.integer(), end = given.integer(), threads = given.integer();
  forEachPiece(begin, end, threads, [&](int64_t pieceBegin, int64_t pieceEnd) {
    forEachTensor(tensors, count, pieceBegin, pieceEnd, [&](const Tensor& tensor, int64_t from, int64_t to) {
      adamw(weights, gradient, first, second, settings, tensor.value, from, to);
    });
  });
  return nullptr;
}

napi_value callRmsprop(napi_env env, napi_callback_info info) {
  Arguments given(env, info);
  float *weights = given.vector(), *gradient = given.vector();
  float *meanSquare = given.vector(), *change = given.vector(), *meanGradient = given.vector();
  const Rmsprop settings{given.number(), given.number(), given.number(),
                         given.number(), given.number(), given.number() != 0};
  const int64_t begin = given.integer(), end = given.integer(), threads = given.integer();
  forEachPiece(begin, end, threads, [&](int64_t first, int64_t last) {
    rmsprop(weights, gradient, meanSquare, change, meanGradient, settings, first, last);
  });
  return nullptr;
}

napi_value callAdagrad(napi_env env, napi_callback_info info) {
  Arguments given(env, info);
  float *weights = given.vector(), *gradient = given.vector(), *accumulator = given.vector();
  const Adagrad settings{given.number(), given.number(), given.number()};
  const int64_t begin = given.integer(), end = given.integer(), threads = given.integer();
  forEachPiece(begin, end, threads,
               [&](int64_t first, int64_t last) { adagrad(weights, gradient, accumulator, settings, first, last); });
  return nullptr;
}

napi_value callAdadelta(napi_env env, napi_callback_info info) {
  Arguments given(env, info);
  float *weights = given.vector(), *gradient = given.vector();
  float *squaredGradients = given.vector(), *squaredUpdates = given.vector();
  const Adadelta settings{given.number(), given.number(), given.number(), given.number()};
  const int64_t begin = given.integer(), end = given.integer(), threads = given.integer();
  forEachPiece(begin, end, threads, [&](int64_t first, int64_t last) {
    adadelta(weights, gradient, squaredGradients, squaredUpdates, settings, first, last);
  });
  return nullptr;
}

napi_value callAdamax(napi_env env, napi_callback_info info) {
  Arguments given(env, info);
  float *weights = given.vector(), *gradient = given.vector(), *mean = given.vector(), *largest = given.vector();
  const Adamax settings{given.number(), given.number(), given.number(), given.number(), given.number()};
  const int64_t begin = given.integer(), end = given.integer(), threads = given.integer();
  forEachPiece(begin, end, threads,
               [&](int64_t first, int64_t last) { adamax(weights, gradient, mean, largest, settings, first, last); });
  return nullptr;
}

/** Reads bytes of a file into memory. @returns false at the end of the file, or when the system reports an error */
bool readAll(int descriptor, char* memory, int64_t offset, int64_t bytes) {
  for (int64_t done = 0; done < bytes;) {
    const ssize_t got = pread(descriptor, memory + offset + done, bytes - done, offset + done);
    if (got == 0 || (got < 0 && errno != EINTR)) return false;
    if (got > 0) done += got;
  }
  return true;
}

napi_value callRead(napi_env env, napi_callback_info info) {
  Arguments given(env, info);
  const int descriptor = static_cast<int>(given.integer());
  char* memory = reinterpret_cast<char*>(given.vector());
  const int64_t length = given.integer(), threads = given.integer();
  std::atomic<bool> isWhole{true};
  forEachPiece(0, length, threads, [&](int64_t begin, int64_t end) {
    constexpr int64_t BYTES = sizeof(float);
    if (!readAll(descriptor, memory, begin * BYTES, (end - begin) * BYTES)) isWhole = false;
  });
  napi_value result;
  napi_get_boolean(env, isWhole, &result);
  return result;
}

napi_value callMapFile(napi_env env, napi_callback_info info) {
  Arguments given(env, info);
  const int descriptor = static_cast<int>(given.integer());
  const size_t bytes = static_cast<size_t>(given.integer());
  return mapFile(env, descriptor, bytes, given.number() != 0);
}

napi_value callCopyWithCrc32(napi_env env, napi_callback_info info) {
  Arguments given(env, info);
  uint8_t* target = given.bytes();
  target += given.integer();
  const uint8_t* source = given.bytes();
  const int64_t length = given.integer();
  const uint32_t crc = copyWithCrc32(target, source, length, static_cast<uint32_t>(given.integer()));
  napi_value result;
  napi_create_uint32(env, crc, &result);
  return result;
}

napi_property_descriptor method(const char* name, napi_callback call) {
  return {name, nullptr, call, nullptr, nullptr, nullptr, napi_enumerable, nullptr};
}

}  // namespace

NAPI_MODULE_INIT() {
  const napi_property_descriptor methods[] = {
      method("add", callAdd),           method("firstBad", callFirstBad), method("average", callAverage),
      method("sgd", callSgd),           method("adamw", callAdamw),       method("rmsprop", callRmsprop),
      method("adagrad", callAdagrad),   method("adadelta", callAdadelta), method("adamax", callAdamax),
      method("read", callRead),         method("mapFile", callMapFile),
      method("copyWithCrc32", callCopyWithCrc32), method("round", callRound),
      method("pack", callPack),         method("unpack", callUnpack),
  };
  napi_define_properties(env, exports, sizeof(methods) / sizeof(*methods), methods);
  return exports;
}
