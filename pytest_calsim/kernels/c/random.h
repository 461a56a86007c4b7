/* Random words by hashing a counter (splitmix64; Steele, Lea & Flood 2014): each depends on its own name alone. */
#ifndef CALSIM_RANDOM_H
#define CALSIM_RANDOM_H
#include "common.h"

/* Step of a counter from one word to the next. */
#define GAMMA 0x9E3779B97F4A7C15u

static inline u64 mix(u64 word) {
    word = (word ^ (word >> 30)) * 0xBF58476D1CE4E5B9u;
    word = (word ^ (word >> 27)) * 0x94D049BB133111EBu;
    return word ^ (word >> 31);
}

/* A word as a number inside (0, 1). */
static inline f64 uniform_open(u64 word) { return ((f64)(word >> 11) + 0.5) * 0x1p-53; }

/* Advance a counter, and draw a number in (0, 1]. */
static inline f64 uniform_next(u64 *counter) {
    *counter += GAMMA;
    return (f64)((mix(*counter) >> 11) + 1) * 0x1p-53;
}

#endif
