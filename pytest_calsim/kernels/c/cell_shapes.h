/* A cell's shape, sampled: the thickness of its dye along the optical axis, over the soma's greatest.
 *
 *   soma        sqrt(1 - (rho / r(theta))^2) inside the outline; without its nucleus, which is of the same form and
 *               `nucleus` times as large, [sqrt(1 - q^2) - sqrt(nucleus^2 - q^2)] / sqrt(1 - nucleus^2), q = rho / r
 *               r(theta) = mean + sum over m = 2 to 5 of c_m cos(m theta) + s_m sin(m theta),
 *               theta from +x towards +y; 0 outside
 *   dendrites   sqrt(r^2 - d^2) over the soma's greatest half thickness, at a distance d from tapered segments, where
 *               that is larger
 *
 * All lengths are um from the cell's centre.
 */
#ifndef CALSIM_CELL_SHAPES_H
#define CALSIM_CELL_SHAPES_H
#include "common.h"

#define HARMONICS 4
/* (y, x, radius) at a segment's begin, then at its end. */
#define SEGMENT 6

typedef struct {
    f64 mean;              /* of the outline */
    const f64 *harmonics;  /* (HARMONICS, 2): c and s of each order */
    f64 half_thickness;    /* of the soma's middle, nucleus and all */
    f64 nucleus;           /* radius of the dark nucleus over that of the soma; 0: none */
    i64 n_segments;
    const f64 *segments; /* (n_segments, SEGMENT) */
} CellShape;

typedef struct {
    i64 first, stop;
} Range;

/* Which of n ascending positions lie from low to high. */
static inline Range positions_between(i64 n, const f64 *at, f64 low, f64 high) {
    i64 first = 0;
    i64 stop = n;
    while (first < stop) {
        i64 middle = (first + stop) / 2;
        if (at[middle] < low)
            first = middle + 1;
        else
            stop = middle;
    }
    while (stop < n && at[stop] <= high) stop++;
    return (Range){first, stop};
}

static inline void sample_soma(const CellShape *shape, i64 height, i64 width, const f64 *y_um, const f64 *x_um,
                               f32 *restrict image) {
    const f64 *h = shape->harmonics;
    f64 mean = shape->mean;
    f64 nucleus2 = shape->nucleus * shape->nucleus;
    f64 scale = 1.0 / sqrt(1.0 - nucleus2);
    f64 a2 = h[0];
    f64 b2 = h[1];
    f64 a3 = h[2];
    f64 b3 = h[3];
    f64 a4 = h[4];
    f64 b4 = h[5];
    f64 a5 = h[6];
    f64 b5 = h[7];
    f64 reach = mean;
    for (i64 m = 0; m < HARMONICS; m++) reach += sqrt(h[2 * m] * h[2 * m] + h[2 * m + 1] * h[2 * m + 1]);
    reach *= 1 + 1e-9; /* so that no rounding of r below cuts a pixel off */
    Range rows = positions_between(height, y_um, -reach, reach);
    Range columns = positions_between(width, x_um, -reach, reach);
    memset(image, 0, (size_t)(height * width) * sizeof *image);
    for (i64 i = rows.first; i < rows.stop; i++) {
        f64 y = y_um[i];
        f32 *line = image + i * width;
        for (i64 j = columns.first; j < columns.stop; j++) {
            /* Cosines and sines of multiples of theta by recurrence; no branch, so the loop becomes SIMD code. */
            f64 x = x_um[j];
            f64 rho2 = y * y + x * x + 1e-24;
            f64 inverse = 1.0 / sqrt(rho2);
            f64 c1 = x * inverse;
            f64 s1 = y * inverse;
            f64 c2 = c1 * c1 - s1 * s1;
            f64 s2 = 2 * c1 * s1;
            f64 c3 = c2 * c1 - s2 * s1;
            f64 s3 = s2 * c1 + c2 * s1;
            f64 c4 = c2 * c2 - s2 * s2;
            f64 s4 = 2 * c2 * s2;
            f64 c5 = c4 * c1 - s4 * s1;
            f64 s5 = s4 * c1 + c4 * s1;
            f64 r = mean + a2 * c2 + b2 * s2 + a3 * c3 + b3 * s3 + a4 * c4 + b4 * s4 + a5 * c5 + b5 * s5;
            f64 q2 = rho2 / (r * r);
            f64 inside = 1.0 - q2;
            f64 dark = nucleus2 - q2;
            line[j] = (f32)((sqrt(inside > 0.0 ? inside : 0.0) - sqrt(dark > 0.0 ? dark : 0.0)) * scale);
        }
    }
}

/* Raise the image where a dendrite is thicker. */
static inline void sample_dendrites(const CellShape *shape, i64 height, i64 width, const f64 *y_um, const f64 *x_um,
                                    f32 *restrict image) {
    f64 greatest = shape->half_thickness * sqrt(1.0 - shape->nucleus * shape->nucleus);
    for (i64 k = 0; k < shape->n_segments; k++) {
        const f64 *s = shape->segments + k * SEGMENT;
        f64 y0 = s[0];
        f64 x0 = s[1];
        f64 r0 = s[2];
        f64 dy = s[3] - y0;
        f64 dx = s[4] - x0;
        f64 dr = s[5] - r0;
        f64 per_length2 = 1 / (dy * dy + dx * dx);
        f64 reach = MAX(r0, r0 + dr);
        Range rows = positions_between(height, y_um, MIN(y0, y0 + dy) - reach, MAX(y0, y0 + dy) + reach);
        Range columns = positions_between(width, x_um, MIN(x0, x0 + dx) - reach, MAX(x0, x0 + dx) + reach);
        for (i64 i = rows.first; i < rows.stop; i++) {
            f64 y = y_um[i] - y0;
            f32 *line = image + i * width;
            for (i64 j = columns.first; j < columns.stop; j++) {
                f64 x = x_um[j] - x0;
                f64 along = (y * dy + x * dx) * per_length2;
                along = MAX(along, 0.0);
                along = MIN(along, 1.0);
                f64 r = r0 + along * dr;
                f64 off_y = y - along * dy;
                f64 off_x = x - along * dx;
                f64 inside = r * r - off_y * off_y - off_x * off_x;
                f32 thickness = (f32)(sqrt(inside > 0.0 ? inside : 0.0) / greatest);
                line[j] = MAX(line[j], thickness);
            }
        }
    }
}

/* Write the shape at ascending positions, (height, width). */
static inline void sample_shape_at(const CellShape *shape, i64 height, i64 width, const f64 *y_um, const f64 *x_um,
                                   f32 *image) {
    sample_soma(shape, height, width, y_um, x_um, image);
    sample_dendrites(shape, height, width, y_um, x_um, image);
}

#endif
