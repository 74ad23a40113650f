#pragma once
#include <cstdint>
#include <cstring>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

/** CRC-32 (IEEE 802.3), as zlib computes it: bit-reflected, inverted before and after. A table for each of 8 bytes. */
struct CrcTables {
  uint32_t of[8][256];
  CrcTables() {
    for (uint32_t byte = 0; byte < 256; byte++) {
      uint32_t crc = byte;
      for (int bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ (crc & 1 ? 0xedb88320u : 0);
      of[0][byte] = crc;
    }
    for (int table = 1; table < 8; table++)
      for (uint32_t byte = 0; byte < 256; byte++)
        of[table][byte] = of[0][of[table - 1][byte] & 255] ^ (of[table - 1][byte] >> 8);
  }
};

/** @param crc inverted, as the result */
static uint32_t copyByTable(uint8_t* target, const uint8_t* source, int64_t length, uint32_t crc) {
  static const CrcTables tables;
  int64_t i = 0;
  for (; i + 8 <= length; i += 8) {
    uint64_t word;
    std::memcpy(&word, source + i, 8);
    std::memcpy(target + i, &word, 8);
    word ^= crc;
    crc = 0;
    for (int byte = 0; byte < 8; byte++) crc ^= tables.of[7 - byte][(word >> (8 * byte)) & 255];
  }
  for (; i < length; i++) {
    target[i] = source[i];
    crc = tables.of[0][(crc ^ source[i]) & 255] ^ (crc >> 8);
  }
  return crc;
}

#if defined(__x86_64__)
#define CARRYLESS __attribute__((target("pclmul,sse4.1")))

CARRYLESS static __m128i fold(__m128i sum, __m128i powers, __m128i next) {
  return _mm_xor_si128(_mm_xor_si128(_mm_clmulepi64_si128(sum, powers, 0x00), _mm_clmulepi64_si128(sum, powers, 0x11)), next);
}

CARRYLESS static __m128i copy16(uint8_t* target, const uint8_t* source) {
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(source));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(target), bytes);
  return bytes;
}

/**
 * Folds with carry-less multiplication: Gopal et al., "Fast CRC Computation for Generic Polynomials Using PCLMULQDQ" (Intel, 2009).
 * @param length at least 64, and a multiple of 16 @param crc inverted, as the result
 */
CARRYLESS static uint32_t copyByFolding(uint8_t* target, const uint8_t* source, int64_t length, uint32_t crc) {
  const __m128i by64 = _mm_set_epi64x(0x01c6e41596, 0x0154442bd4), by16 = _mm_set_epi64x(0x00ccaa009e, 0x01751997d0);
  const __m128i by8 = _mm_set_epi64x(0, 0x0163cd6124), barrett = _mm_set_epi64x(0x01f7011641, 0x01db710641);
  const __m128i low = _mm_setr_epi32(~0, 0, ~0, 0);
  __m128i sums[4];
  for (int lane = 0; lane < 4; lane++) sums[lane] = copy16(target + 16 * lane, source + 16 * lane);
  sums[0] = _mm_xor_si128(sums[0], _mm_cvtsi32_si128(static_cast<int32_t>(crc)));
  int64_t i = 64;
  for (; i + 64 <= length; i += 64)
    for (int lane = 0; lane < 4; lane++)
      sums[lane] = fold(sums[lane], by64, copy16(target + i + 16 * lane, source + i + 16 * lane));
  __m128i sum = sums[0];
  for (int lane = 1; lane < 4; lane++) sum = fold(sum, by16, sums[lane]);
  for (; i < length; i += 16) sum = fold(sum, by16, copy16(target + i, source + i));
  sum = _mm_xor_si128(_mm_srli_si128(sum, 8), _mm_clmulepi64_si128(sum, by16, 0x10));
  sum = _mm_xor_si128(_mm_srli_si128(sum, 4), _mm_clmulepi64_si128(_mm_and_si128(sum, low), by8, 0x00));
  __m128i quotient = _mm_and_si128(_mm_clmulepi64_si128(_mm_and_si128(sum, low), barrett, 0x10), low);
  return _mm_extract_epi32(_mm_xor_si128(sum, _mm_clmulepi64_si128(quotient, barrett, 0x00)), 1);
}
#endif

static uint32_t copyWithCrc32(uint8_t* target, const uint8_t* source, int64_t length, uint32_t seed) {
  uint32_t crc = ~seed;
  int64_t done = 0;
#if defined(__x86_64__)
  static const bool isFast = __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1");
  if (isFast && length >= 64) {
    done = length / 16 * 16;
    crc = copyByFolding(target, source, done, crc);
  }
#endif
  return ~copyByTable(target + done, source + done, length - done, crc);
}
