/* exp, log, log1p, sin, cos, asin and pow of this library, in double precision.
 *
 * libm's functions differ in the last digit between systems, versions and processors, so a movie made with them would
 * too. These use IEEE operations alone: one set of bits everywhere. Errors, in units in the last place, as tested:
 *
 *   exp_    1     all numbers
 *   log_    1     all numbers
 *   log1p_  4     above -1
 *   sin_    3     |x| <= 10^6, in terms of the larger of |result| and 10^-10
 *   cos_    3     the same
 *   asin_   6     |x| <= 1
 *   pow_    2 + 2 |y ln x|, x >= 0
 *
 * The methods are the usual ones: reduce the argument by exact steps, then sum a power series (Muller, Elementary
 * Functions, 2016). Beyond their range sin_ and cos_ lose digits, and asin_ gives NaN.
 */
#ifndef CALSIM_ELEMENTARY_H
#define CALSIM_ELEMENTARY_H
#include "common.h"

static inline u64 bits_of_double(f64 x) {
    u64 bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static inline f64 double_of_bits(u64 bits) {
    f64 x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* ln 2 in two parts; multiples of the first by up to 2^11 are exact. */
#define LN2_HIGH 0x1.62e42fee00000p-1
#define LN2_LOW 0x1.a39ef35793c76p-33

/* 2^k for a normal result, -1022 <= k <= 1023. */
static inline f64 power_of_two(i64 k) { return double_of_bits((u64)(k + 1023) << 52); }

static inline f64 exp_(f64 x) {
    if (!(x == x)) return x;
    if (x > 709.8) return INFINITY;
    if (x < -746) return 0;
    f64 k = rint(x * 1.4426950408889634);
    f64 r = (x - k * LN2_HIGH) - k * LN2_LOW;
    /* Taylor's series; |r| <= ln 2 / 2, so the first term left out is below 10^-17. Even and odd powers apart, as two
     * short chains of operations take less time than a long one. */
    f64 z = r * r;
    f64 even = 1.0 / 479001600;
    even = even * z + 1.0 / 3628800;
    even = even * z + 1.0 / 40320;
    even = even * z + 1.0 / 720;
    even = even * z + 1.0 / 24;
    even = even * z + 0.5;
    f64 odd = 1.0 / 6227020800;
    odd = odd * z + 1.0 / 39916800;
    odd = odd * z + 1.0 / 362880;
    odd = odd * z + 1.0 / 5040;
    odd = odd * z + 1.0 / 120;
    odd = odd * z + 1.0 / 6;
    f64 tail = even + r * odd;
    f64 e = 1 + (r + z * tail);
    /* In two halves: the first alone could overflow, or be too small for a normal number. */
    i64 half = (i64)k / 2;
    return e * power_of_two(half) * power_of_two((i64)k - half);
}

static inline f64 log_(f64 x) {
    if (!(x > 0)) return x == 0 ? -INFINITY : NAN;
    if (x == INFINITY) return x;
    f64 exponent = 0;
    if (x < 0x1p-1022) {
        x *= 0x1p54;
        exponent = -54;
    }
    /* x = 2^e (1 + f), 1 + f within a factor sqrt 2 of 1. */
    u64 bits = bits_of_double(x);
    u64 mantissa = bits & 0xFFFFFFFFFFFFFu;
    bool large = mantissa > 0x6A09E667F3BCDu;
    exponent += (f64)((i64)(bits >> 52) - 1023 + large);
    f64 f = double_of_bits(mantissa | (large ? 0x3FE0000000000000u : 0x3FF0000000000000u)) - 1;
    /* ln(1 + f) = 2 artanh(s), s = f / (2 + f); written so that f itself stays exact (Tang, Gay). */
    f64 s = f / (2 + f);
    f64 z = s * s;
    f64 z2 = z * z;
    f64 even = 2.0 / 23;
    even = even * z2 + 2.0 / 19;
    even = even * z2 + 2.0 / 15;
    even = even * z2 + 2.0 / 11;
    even = even * z2 + 2.0 / 7;
    even = even * z2 + 2.0 / 3;
    f64 odd = 2.0 / 21;
    odd = odd * z2 + 2.0 / 17;
    odd = odd * z2 + 2.0 / 13;
    odd = odd * z2 + 2.0 / 9;
    odd = odd * z2 + 2.0 / 5;
    f64 series = even + z * odd;
    f64 half_square = 0.5 * f * f;
    f64 correction = s * (half_square + series * z) + exponent * LN2_LOW;
    return exponent * LN2_HIGH - ((half_square - correction) - f);
}

/* ln(1 + x): what rounding 1 + x loses is made good in proportion (Kahan; Goldberg 1991, theorem 4). */
static inline f64 log1p_(f64 x) {
    f64 u = 1 + x;
    if (u == 1) return x;
    if (u == INFINITY) return u;
    return log_(u) * (x / (u - 1));
}

/* Sine and cosine within an eighth turn of 0, |r| <= pi/4. */
static inline f64 sine_near_zero(f64 r) {
    f64 z = r * r;
    f64 series = 1.0 / 355687428096000;
    series = series * z - 1.0 / 1307674368000;
    series = series * z + 1.0 / 6227020800;
    series = series * z - 1.0 / 39916800;
    series = series * z + 1.0 / 362880;
    series = series * z - 1.0 / 5040;
    series = series * z + 1.0 / 120;
    series = series * z - 1.0 / 6;
    return r + r * z * series;
}

static inline f64 cosine_near_zero(f64 r) {
    f64 z = r * r;
    f64 series = -1.0 / 6402373705728000;
    series = series * z + 1.0 / 20922789888000;
    series = series * z - 1.0 / 87178291200;
    series = series * z + 1.0 / 479001600;
    series = series * z - 1.0 / 3628800;
    series = series * z + 1.0 / 40320;
    series = series * z - 1.0 / 720;
    series = series * z + 1.0 / 24;
    f64 half = 0.5 * z;
    f64 w = 1 - half;
    return w + (((1 - w) - half) + z * z * series);
}

/* sin(x + turns pi/2) */
static inline f64 sine_of(f64 x, i64 quarter_turns) {
    if (!(fabs(x) <= 1e9)) return NAN;
    f64 k = rint(x * 0.6366197723675814);
    /* pi/2 in three parts of 33 bits: their multiples by up to 2^20 are exact (Cody & Waite 1980). */
    f64 r = ((x - k * 0x1.921fb54400000p+0) - k * 0x1.0b4611a600000p-34) - k * 0x1.3198a2e037073p-69;
    i64 quadrant = ((i64)k + quarter_turns) & 3;
    f64 value = quadrant & 1 ? cosine_near_zero(r) : sine_near_zero(r);
    return quadrant & 2 ? -value : value;
}

static inline f64 sin_(f64 x) { return sine_of(x, 0); }

static inline f64 cos_(f64 x) { return sine_of(x, 1); }

/* asin x = 2 atan t, t = x / (1 + sqrt(1 - x^2)); two halvings of the angle leave |t| <= tan(pi/16). */
static inline f64 asin_(f64 x) {
    f64 t = x / (1 + sqrt((1 - x) * (1 + x)));
    t = t / (1 + sqrt(1 + t * t));
    t = t / (1 + sqrt(1 + t * t));
    f64 z = t * t;
    f64 series = 1.0 / 23;
    series = 1.0 / 21 - series * z;
    series = 1.0 / 19 - series * z;
    series = 1.0 / 17 - series * z;
    series = 1.0 / 15 - series * z;
    series = 1.0 / 13 - series * z;
    series = 1.0 / 11 - series * z;
    series = 1.0 / 9 - series * z;
    series = 1.0 / 7 - series * z;
    series = 1.0 / 5 - series * z;
    series = 1.0 / 3 - series * z;
    return 8 * (t - t * z * series);
}

/* x to the power y, for x >= 0. One way for all numbers, so that loops become SIMD code: log_ and exp_ make 0 and
 * infinity of 0, and only 0 * infinity needs care. */
static inline f64 pow_(f64 x, f64 y) {
    f64 power = exp_(y * log_(x));
    return ((y == 0) | (x == 1)) ? 1 : power;
}

#endif
