/* Exact Poisson counts, each from random words of its own.
 *
 * Where light is bright (means from BRIGHT_E electrons) a count is a Gaussian rounded down, corrected by rejection
 * (algorithm PD of Ahrens & Dieter 1982): nearly every pixel takes one path, without branches or look-ups. The few that
 * the squeeze leaves open are settled in double precision, with the probabilities of both distributions. The result is
 * Poisson's distribution but for the rounding of single precision in the Gaussian.
 *
 * Where it is dim, a count is a sum of three independent ones whose means add up to its own: a multiple of 8 and one of
 * 1/16 electrons, both drawn from alias tables (Walker 1977), and a rest below 1/16, by inversion. Tables are exact to
 * 2^-32, rests to single precision (2^-27). pytest_calsim/kernels/poisson.py makes the tables.
 */
#ifndef CALSIM_POISSON_H
#define CALSIM_POISSON_H
#include "elementary.h"
#include "gaussian.h"

/* Least mean that is drawn as a corrected Gaussian. */
#define BRIGHT_E 128

/* Bright pixels. The constants 1.1484, 1.8, -0.6744 and 0.1069 are those of algorithm PD: how far below its mean a count
 * is certain, and the middle, the lower end and the height of the double exponential that covers what the rounded
 * Gaussian lacks. */

/* A count as a Gaussian of some mean, and the same variance, that is rounded down. Its probability is the Gaussian's
 * mean over a unit: the middle's density, exp(-q/2) / sqrt(2 pi mean), times a series in Hermite polynomials. */
typedef struct {
    f64 q;
    f64 series;
} Rounded;

static inline Rounded rounded_gaussian(f32 mean, f64 count) {
    f64 x = (count + 0.5 - (f64)mean) / (f64)sqrtf(mean);
    f64 q = x * x;
    f64 h = 1 / (4 * (f64)mean);
    f64 he_2 = q - 1;
    f64 he_4 = (q - 6) * q + 3;
    f64 he_6 = ((q - 15) * q + 45) * q - 15;
    return (Rounded){q, 1 + h / 6 * (he_2 + h / 20 * (he_4 + h / 42 * he_6))};
}

static inline f64 chance_of(Rounded gaussian, f32 mean) {
    return gaussian.series * exp_(-0.5 * gaussian.q) / sqrt(2 * PI * (f64)mean);
}

/* How many times more probable a count is by Poisson's distribution than as a rounded Gaussian. Poisson's is Stirling's
 * series, as arranged by Loader (2000). Both are exact to 1e-10 for bright means. */
static inline f64 poisson_ratio(f32 mean, f64 count, Rounded gaussian) {
    f64 m = (f64)mean;
    f64 v = (count - m) / m;
    f64 deviance = m * ((1 + v) * log1p_(v) - v);
    f64 stirling = (1 - 1 / (30 * count * count)) / (12 * count);
    return exp_(0.5 * gaussian.q - deviance - stirling) * sqrt(m / count) / gaussian.series;
}

/* Accept a rounded Gaussian, or draw from what it lacks of a Poisson distribution, under a double exponential. */
static inline i32 settle(f32 mean, i32 count, f32 chance, u64 word) {
    if (1 - (f64)chance <= poisson_ratio(mean, count, rounded_gaussian(mean, count))) return count;
    for (;;) {
        word = mix(word + GAMMA);
        f64 depth = uniform_open(word);
        word = mix(word + GAMMA);
        f64 height = 2 * uniform_open(word) - 1;
        /* A point under the double exponential, standard deviations from the mean. */
        f64 t = height < 0 ? 1.8 - log_(depth) : 1.8 + log_(depth);
        if (t <= -0.6744) continue;
        f64 candidate = floor((f64)mean + (f64)sqrtf(mean) * t);
        Rounded gaussian = rounded_gaussian(mean, candidate);
        f64 lack = chance_of(gaussian, mean) * (poisson_ratio(mean, candidate, gaussian) - 1);
        if (0.1069 / (f64)mean * fabs(height) * depth <= lack) return (i32)candidate;
    }
}

/* Write the counts of the means from BRIGHT_E on; what it writes for others means nothing.
 * normal holds standard Gaussians, words one more independent word a pixel, open is scratch. */
static inline void draw_bright(i64 n, const f32 *restrict mean, const f32 *restrict normal, const u64 *restrict words,
                               i32 *restrict open, i32 *restrict electrons) {
    i32 n_open = 0;
    for (i64 i = 0; i < n; i++) {
        f32 chance = high_bits(words[i]) * 0x1p-31f;
        i32 whole = (i32)mean[i];
        f32 fraction = mean[i] - (f32)whole;
        f32 below = floorf(fraction + sqrtf(mean[i]) * normal[i]);
        electrons[i] = whole + (i32)below;
        /* A count is certain at or above its mean, and a little below; further down it is nearly so. */
        f32 gap = fraction - below;
        bool squeezed = 6 * mean[i] * mean[i] * chance >= gap * gap * gap;
        open[i] = (gap > 1.1484f) & !squeezed & (mean[i] >= BRIGHT_E);
        n_open += open[i];
    }
    if (n_open == 0) return;
    for (i64 i = 0; i < n; i++)
        if (open[i]) electrons[i] = settle(mean[i], electrons[i], high_bits(words[i]) * 0x1p-31f, words[i]);
}

/* Dim pixels. */

/* A count from an alias table. A column has its threshold in the high 32 bits, then 16 bits of alias and 16 of its own
 * count. The word's high half is compared with the threshold; its low bits have chosen the column. */
static inline u64 count_of(u64 column, u64 word) { return (word >= column ? column >> 16 : column) & 0xFFFF; }

/* How many of the thresholds of P(N >= k), k = 1 to 5, lie above u: a count of a mean m < 1/16.
 * Each is a series in m, by Horner's scheme; six or more have a chance below 2^-33. */
static inline i32 count_of_rest(f32 m, f32 u) {
    f32 square = m * m;
    f32 one = m * (1 - m * (1.0f / 2) * (1 - m * (1.0f / 3) * (1 - m * (1.0f / 4) * (1 - m * (1.0f / 5)))));
    f32 two = square * (1.0f / 2) * (1 - m * (2.0f / 3) * (1 - m * (3.0f / 8) * (1 - m * (4.0f / 15))));
    f32 three = square * m * (1.0f / 6) * (1 - m * (3.0f / 4) * (1 - m * (2.0f / 5)));
    f32 four = square * square * (1.0f / 24) * (1 - m * (4.0f / 5));
    f32 five = square * square * m * (1.0f / 120);
    return (u < one) + (u < two) + (u < three) + (u < four) + (u < five);
}

/* Write the counts of the means below BRIGHT_E; leave the others as they are.
 * words, a and b are three independent words a pixel, of which a is written over; middle has 256 columns for each of
 * the means 0, 8, ..., 120, fine has 32 for each of 0, 1/16, ..., 127/16; levels and rest are scratch.
 * Bright pixels look up the mean 0, so that there are no branches. */
static inline void draw_dim(i64 n, const f32 *restrict mean, const u64 *restrict words, u64 *restrict a,
                            const u64 *restrict b, const u64 *middle, const u64 *fine, i32 *restrict levels,
                            f32 *restrict rest, i32 *restrict electrons) {
    for (i64 i = 0; i < n; i++) {
        f32 sixteenths = mean[i] < BRIGHT_E ? mean[i] * 16 : 0;
        levels[i] = (i32)sixteenths;
        rest[i] = (sixteenths - (f32)levels[i]) * 0.0625f;
    }
    for (i64 i = 0; i < n; i++) {
        u64 level = (u64)levels[i];
        u64 column_a = middle[(level >> 7) << 8 | (a[i] & 0xFF)];
        u64 column_b = fine[(level & 0x7F) << 5 | (b[i] & 0x1F)];
        a[i] = count_of(column_a, a[i]) + count_of(column_b, b[i]);
    }
    for (i64 i = 0; i < n; i++) {
        i32 count = (i32)a[i] + count_of_rest(rest[i], high_bits(words[i]) * 0x1p-31f);
        electrons[i] = mean[i] < BRIGHT_E ? count : electrons[i];
    }
}

#endif
