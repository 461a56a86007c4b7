/* Tell which level of kernels this processor and its operating system can run, and what was compiled.
 *
 * x86-64 has levels: v2 (SSE4.2), v3 (AVX2, FMA) and v4 (AVX-512). Elsewhere there is one, `base`.
 * The compilers' own test is not used: zig's answers "no" for v3 everywhere, so CPUID is read here.
 * This file is compiled once, for the lowest level.
 */
#include "common.h"

/* Checksum of all C files, which the build computes. Python refuses a library of other files than those beside it. */
PUBLIC const uint32_t calsim_sources = SOURCES;

#if defined(__x86_64__) || defined(_M_X64)
#include <cpuid.h>

static bool has_all(u64 bits, u64 wanted) { return (bits & wanted) == wanted; }

PUBLIC const char *calsim_level(void) {
    unsigned a, b, c, d;
    unsigned features;
    unsigned extended = 0;
    unsigned xcr0 = 0;
    unsigned xcr0_high;
    if (!__get_cpuid(1, &a, &b, &features, &d) || !has_all(features, 1u << 27)) return "v2"; /* OSXSAVE */
    __asm__("xgetbv" : "=a"(xcr0), "=d"(xcr0_high) : "c"(0));
    if (__get_cpuid(0x80000001, &a, &b, &c, &d)) extended = c;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return "v2";
    /* FMA, MOVBE, POPCNT, AVX, F16C; LZCNT; BMI1, AVX2, BMI2; and registers that the system keeps. */
    bool v3 = has_all(features, 1u << 12 | 1u << 22 | 1u << 23 | 1u << 28 | 1u << 29) && has_all(extended, 1u << 5)
        && has_all(b, 1u << 3 | 1u << 5 | 1u << 8) && has_all(xcr0, 0x6);
    /* AVX-512 F, DQ, CD, BW, VL. */
    bool v4 = v3 && has_all(b, 1u << 16 | 1u << 17 | 1u << 28 | 1u << 30 | 1u << 31) && has_all(xcr0, 0xE6);
    return v4 ? "v4" : v3 ? "v3" : "v2";
}
#else
PUBLIC const char *calsim_level(void) { return "base"; }
#endif
