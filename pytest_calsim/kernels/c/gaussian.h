/* Gaussians in pairs, by Box & Muller (1958), in single precision.
 *
 * A word of 64 random bits gives a radius sqrt(-2 ln u) and an angle 2 pi v, both from 31 bits; cosine and sine of the
 * angle times the radius are two independent standard Gaussians, up to 6.7. All is polynomials: loops become SIMD code.
 */
#ifndef CALSIM_GAUSSIAN_H
#define CALSIM_GAUSSIAN_H
#include "random.h"

/* A word's high and low 31 bits as whole numbers; by way of i32, as SIMD converts few other types. */
static inline f32 high_bits(u64 word) { return (f32)(i32)(word >> 33); }

static inline f32 low_bits(u64 word) { return (f32)(i32)(word & 0x7FFFFFFF); }

/* sqrt(-2 ln u) from 31 bits. */
static inline f32 radius_of(f32 bits) {
    f32 u = (bits + 0.5f) * 0x1p-31f;
    /* u = 2^e m with m within sqrt 2 of 1, and ln m = 2 artanh((m - 1) / (m + 1)). */
    i32 pattern;
    memcpy(&pattern, &u, sizeof pattern);
    i32 mantissa = pattern & 0x7FFFFF;
    i32 near_1 = mantissa | (mantissa > 0x3504F3 ? 0x3F000000 : 0x3F800000);
    f32 exponent = (f32)((pattern - near_1) >> 23);
    f32 m;
    memcpy(&m, &near_1, sizeof m);
    f32 s = (m - 1) / (m + 1);
    f32 q = s * s;
    f32 series = 2.0f + q * (2.0f / 3 + q * (2.0f / 5 + q * (2.0f / 7 + q * (2.0f / 9))));
    return sqrtf(-2 * (exponent * 0.6931472f + s * series));
}

/* sin(2 pi turn) within a quarter turn of 0, to 6e-8. */
static inline f32 sine_of_turn(f32 turn) {
    f32 q = turn * turn;
    f32 series = 42.058693f + q * -15.094643f;
    series = 81.60525f + q * (-76.70586f + q * series);
    return turn * (6.2831855f + q * (-41.3417f + q * series));
}

/* The angle of a word in turns, within half a turn of 0. */
static inline f32 turn_of(u64 word) { return low_bits(word) * 0x1p-31f - 0.5f; }

/* The first Gaussian of a word's pair. */
static inline f32 gaussian(u64 word) { return radius_of(high_bits(word)) * sine_of_turn(0.25f - fabsf(turn_of(word))); }

/* Write both Gaussians of n words. Loops over 64 and over 32 bits are separate: they fill a register with different
 * numbers of lanes. */
static inline void gaussian_pairs_of(i64 n, const u64 *restrict words, f32 *restrict one, f32 *restrict other) {
    for (i64 i = 0; i < n; i++) {
        one[i] = high_bits(words[i]);
        other[i] = turn_of(words[i]);
    }
    for (i64 i = 0; i < n; i++) {
        f32 radius = radius_of(one[i]);
        f32 turn = other[i];
        /* Sines within a quarter turn give both; their signs are as random as the angle. */
        f32 folded = (turn > 0 ? 0.5f : -0.5f) - turn;
        one[i] = radius * sine_of_turn(0.25f - fabsf(turn));
        other[i] = radius * sine_of_turn(fabsf(turn) > 0.25f ? folded : turn);
    }
}

#endif
