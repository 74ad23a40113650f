#pragma once

/** Compiles a function for several generations of processors; the best one for this machine is chosen when the addon is loaded. */
#if defined(__x86_64__)
#define FOR_EACH_PROCESSOR __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define FOR_EACH_PROCESSOR
#endif
