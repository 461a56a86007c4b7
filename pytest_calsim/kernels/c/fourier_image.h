/* A blurred shape as a Fourier series of few waves: what the shape is made of, times the blur's transfer, at pixels.
 *
 * The blur is a disk (of confusion), a Gaussian, and the mean over each pixel's area. The period is the image's longer
 * side, n pixels or N = n samples parts of pixels. A wave (ky, kx) is a product of a cosine or sine along rows and one
 * along columns, so all steps are real products of small matrices:
 *
 *   parts (h, w) -> rows as waves (h, 2K) -> the shape's waves (2K, 2K) -> what the blur leaves of them, folded to the
 *   waves that pixels can tell apart (2M, 2M) -> columns as waves (2M, width) -> image (height, width)
 *
 * with K cosines before K sines (the waves, in whole SIMD vectors), and M cosines before M sines.
 */
#ifndef CALSIM_FOURIER_IMAGE_H
#define CALSIM_FOURIER_IMAGE_H
#include "elementary.h"

typedef struct {
    f32 re, im;
} c64;

/* One image. All lengths are in pixels. */
typedef struct {
    i64 parts_y, parts_x;     /* size of the shape */
    i64 height, width;        /* size of the image */
    f64 first_y, first_x;     /* where the first part's centre lies in the image; pixels' centres are whole numbers */
    f64 sigma, radius;        /* of the Gaussian and the disk */
    i64 waves;                /* how many to sum along each axis, the constant one included */
    i64 turns;                /* N */
    const c64 *circle;        /* exp(2 pi i j / N) for j < N */
    i64 n_bessel;
    const f32 *bessel;        /* 2 J1(q)/q on a regular grid that begins at 0 */
    f64 bessel_step;
    f64 faint;                /* the share of the peak below which light is cut */
} ImagePlan;

static inline i64 image_period(const ImagePlan *plan) { return MAX(plan->height, plan->width); }

/* 2K */
static inline i64 shape_waves(const ImagePlan *plan) { return 2 * ((plan->waves + 7) / 8 * 8); }

/* 2M */
static inline i64 pixel_waves(const ImagePlan *plan) { return 2 * MIN(plan->waves, image_period(plan) / 2 + 1); }

/* Floats of scratch memory that blur_shape needs. */
static inline i64 image_scratch(const ImagePlan *plan) {
    i64 k = shape_waves(plan);
    i64 m = pixel_waves(plan);
    i64 at_parts = MAX(plan->parts_y, plan->parts_x) * k;
    i64 at_pixels = m * image_period(plan);
    return at_parts + at_pixels + plan->parts_y * k + k * k + m * m + m * plan->width + 4 * plan->waves;
}

static inline c64 multiply(c64 a, c64 b) { return (c64){a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re}; }

/* Write the product of a or, with `step` 1 and `stride` its width, of its transpose, and b (inner, b_width): out (rows,
 * columns). Element (i, k) of the first factor is a[i step + k stride]. Four rows of b are added at a time. */
static inline void write_product(i64 rows, i64 inner, i64 columns, const f32 *a, i64 step, i64 stride, const f32 *b,
                                 i64 b_width, f32 *out) {
    i64 fours = inner - inner % 4;
    for (i64 i = 0; i < rows; i++) {
        f32 *restrict line = out + i * columns;
        const f32 *g = a + i * step;
        memset(line, 0, (size_t)columns * sizeof *line);
        for (i64 k = 0; k < fours; k += 4) {
            f32 g0 = g[k * stride];
            f32 g1 = g[(k + 1) * stride];
            f32 g2 = g[(k + 2) * stride];
            f32 g3 = g[(k + 3) * stride];
            if (g0 == 0 && g1 == 0 && g2 == 0 && g3 == 0) continue; /* a shape is dark around the cell */
            const f32 *b0 = b + k * b_width;
            const f32 *b1 = b0 + b_width;
            const f32 *b2 = b1 + b_width;
            const f32 *b3 = b2 + b_width;
            for (i64 j = 0; j < columns; j++) line[j] += (g0 * b0[j] + g1 * b1[j]) + (g2 * b2[j] + g3 * b3[j]);
        }
        for (i64 k = fours; k < inner; k++) {
            f32 gain = g[k * stride];
            const f32 *other = b + k * b_width;
            for (i64 j = 0; j < columns; j++) line[j] += gain * other[j];
        }
    }
}

/* Cosines beside sines of `count` waves at each part: (parts, 2 count). */
static inline void write_waves_at_parts(i64 parts, i64 count, i64 turns, const c64 *circle, f32 *waves) {
    for (i64 i = 0; i < parts; i++) {
        f32 *line = waves + i * 2 * count;
        for (i64 k = 0, at = 0; k < count; k++) {
            line[k] = circle[at].re;
            line[count + k] = circle[at].im;
            at += i;
            if (at >= turns) at -= turns;
        }
    }
}

/* Cosines above sines of `count` waves at each of n pixels: (2 count, n). */
static inline void write_waves_at_pixels(i64 count, i64 n, i64 turns, const c64 *circle, f32 *waves) {
    i64 samples = turns / n;
    for (i64 m = 0; m < count; m++) {
        f32 *cosine = waves + m * n;
        f32 *sine = waves + (count + m) * n;
        for (i64 r = 0, at = 0; r < n; r++) {
            cosine[r] = circle[at].re;
            sine[r] = circle[at].im;
            at += m * samples;
            if (at >= turns) at -= turns;
        }
    }
}

/* What the Gaussian, the pixel's own width and a shift of the image leave of each wave along one axis. */
static inline void write_transfer(f64 sigma, f64 first, i64 n, i64 waves, c64 *transfer) {
    transfer[0] = (c64){1, 0};
    for (i64 k = 1; k < waves; k++) {
        f64 f = (f64)k / (f64)n;
        f64 s = PI * sigma * f;
        f64 gain = exp_(-2 * (s * s)) * sin_(PI * f) / (PI * f);
        f64 phase = 2 * PI * f * first;
        transfer[k] = (c64){(f32)(gain * cos_(phase)), (f32)(-gain * sin_(phase))};
    }
}

typedef struct {
    i64 k;
    f32 sign;
} SlowWave;

/* The slowest wave that n pixels cannot tell from the k-th, k < n, and the sign of its sine. */
static inline SlowWave slowest_alike(i64 k, i64 n) { return 2 * k > n ? (SlowWave){n - k, -1} : (SlowWave){k, 1}; }

/* Multiply the shape's waves by their transfer, and count each as the slow wave that it looks like at pixels. */
static inline void fold(const ImagePlan *plan, const f32 *shape, const c64 *along_y, const c64 *along_x, f32 *folded) {
    i64 width = shape_waves(plan);
    i64 size = pixel_waves(plan);
    i64 n = image_period(plan);
    i64 half = width / 2;
    i64 low = size / 2;
    i64 last = plan->n_bessel - 2;
    f64 scale = 2 * PI * plan->radius / ((f64)n * plan->bessel_step);
    memset(folded, 0, (size_t)(size * size) * sizeof *folded);
    /* The waves modulo n are counted along: a division would take longer than all else here. */
    for (i64 ky = 0, ky_in_n = 0; ky < plan->waves; ky++, ky_in_n = ky_in_n + 1 < n ? ky_in_n + 1 : 0) {
        SlowWave y = slowest_alike(ky_in_n, n);
        const f32 *cosine = shape + ky * width;
        const f32 *sine = cosine + half * width;
        f32 *cosine_to = folded + y.k * size;
        f32 *sine_to = cosine_to + low * size;
        for (i64 kx = 0, kx_in_n = 0; kx < plan->waves; kx++, kx_in_n = kx_in_n + 1 < n ? kx_in_n + 1 : 0) {
            SlowWave x = slowest_alike(kx_in_n, n);
            f64 at = scale * sqrt((f64)(ky * ky + kx * kx));
            i64 i = at < (f64)last ? (i64)at : last;
            f32 disk = plan->bessel[i] + (f32)(at - (f64)i) * (plan->bessel[i + 1] - plan->bessel[i]);
            /* The wave of opposite frequencies along both axes is its conjugate. */
            f32 gain = kx == 0 ? disk : disk + disk;
            c64 passed = {along_x[kx].re * gain, along_x[kx].im * gain};
            c64 passed_y = along_y[ky];
            c64 opposite_y = {passed_y.re, -passed_y.im};
            f32 cc = cosine[kx];
            f32 cs = cosine[half + kx];
            f32 sc = sine[kx];
            f32 ss = sine[half + kx];
            /* The shape's wave (ky, kx), and the one of the opposite frequency along y. */
            c64 plus = multiply(multiply(passed, passed_y), (c64){cc - ss, -cs - sc});
            c64 minus = multiply(multiply(passed, opposite_y), (c64){cc + ss, sc - cs});
            if (ky == 0) minus = (c64){0, 0};
            cosine_to[x.k] += plus.re + minus.re;
            sine_to[x.k] -= y.sign * (plus.im - minus.im);
            cosine_to[low + x.k] -= x.sign * (plus.im + minus.im);
            sine_to[low + x.k] -= y.sign * x.sign * (plus.re - minus.re);
        }
    }
}

/* Cut what is fainter than a share of the peak, ringing below zero included; give the rest the whole flux. Maxima and
 * sums are taken by column first (`by_column`, width): so rows become SIMD code. */
static inline void trim(i64 height, i64 width, f64 faint, f64 flux, f64 *restrict by_column, f32 *restrict image) {
    for (i64 c = 0; c < width; c++) by_column[c] = 0;
    for (i64 r = 0; r < height; r++)
        for (i64 c = 0; c < width; c++) by_column[c] = MAX(by_column[c], (f64)image[r * width + c]);
    f64 peak = 0;
    f64 total = 0;
    for (i64 c = 0; c < width; c++) peak = MAX(peak, by_column[c]);
    f32 least = (f32)(faint * peak);
    for (i64 c = 0; c < width; c++) by_column[c] = 0;
    for (i64 r = 0; r < height; r++) {
        f32 *line = image + r * width;
        for (i64 c = 0; c < width; c++) {
            line[c] = line[c] >= least ? line[c] : 0;
            by_column[c] += (f64)line[c];
        }
    }
    for (i64 c = 0; c < width; c++) total += by_column[c];
    f32 gain = (f32)(flux / total);
    for (i64 i = 0; i < height * width; i++) image[i] *= gain;
}

/* Write the image of a shape. Its own brightness is none: the image sums to `flux`. */
static inline void blur_shape(const ImagePlan *plan, const f32 *parts, f64 flux, f32 *scratch, f64 *by_column,
                              f32 *image) {
    i64 n = image_period(plan);
    i64 k = shape_waves(plan);
    i64 m = pixel_waves(plan);
    i64 longer = MAX(plan->parts_y, plan->parts_x);
    f32 *at_parts = scratch;
    f32 *at_pixels = at_parts + longer * k;
    f32 *rows = at_pixels + m * n;
    f32 *shape = rows + plan->parts_y * k;
    f32 *folded = shape + k * k;
    f32 *columns = folded + m * m;
    c64 *along_y = (c64 *)(columns + m * plan->width);
    c64 *along_x = along_y + plan->waves;
    write_waves_at_parts(longer, k / 2, plan->turns, plan->circle, at_parts);
    write_waves_at_pixels(m / 2, n, plan->turns, plan->circle, at_pixels);
    write_transfer(plan->sigma, plan->first_y, n, plan->waves, along_y);
    write_transfer(plan->sigma, plan->first_x, n, plan->waves, along_x);
    write_product(plan->parts_y, plan->parts_x, k, parts, plan->parts_x, 1, at_parts, k, rows);
    write_product(k, plan->parts_y, k, at_parts, 1, k, rows, k, shape);
    fold(plan, shape, along_y, along_x, folded);
    write_product(m, m, plan->width, folded, m, 1, at_pixels, n, columns);
    write_product(plan->height, m, plan->width, at_pixels, 1, n, columns, plan->width, image);
    trim(plan->height, plan->width, plan->faint, flux, by_column, image);
}

#endif
