/* Evaluate smooth light, given at nodes coarser than pixels, at finer positions by four taps along each axis: along
 * columns here, along rows in tissue.c, while the image's row is at hand.
 */
#include "common.h"

static inline f32 between(const f32 *w, const f32 *near) {
    return w[0] * near[0] + w[1] * near[1] + w[2] * near[2] + w[3] * near[3];
}

/* Write `n` whole periods of columns. The period is a constant where this is inlined: then columns become SIMD code. */
static inline void write_periods(i64 n, i64 period, const f32 *line, const i64 *node, const f32 *weight, f32 *restrict out) {
    for (i64 i = 0; i < n; i++)
        for (i64 p = 0; p < period; p++) out[period * i + p] = between(weight + 4 * p, line + node[p] + i);
}

/* Interpolate rows of nodes to the columns of an image.
 *
 * period           after so many columns the same weights follow, with all nodes one further
 * values           (rows, coarse)
 * node, weight     the first of the four nodes of each column, and their weights (width, 4)
 * wide             what is written (rows, width)
 */
KERNEL(void, upsample_columns)(
        i64 rows, i64 coarse, i64 width, i64 period, const f32 *values, const i64 *node, const f32 *weight,
        f32 *restrict wide) {
    i64 n = width / period;
    for (i64 r = 0; r < rows; r++) {
        const f32 *line = values + r * coarse;
        f32 *out = wide + r * width;
        if (period == 1)
            write_periods(n, 1, line, node, weight, out);
        else if (period == 2)
            write_periods(n, 2, line, node, weight, out);
        else if (period == 4)
            write_periods(n, 4, line, node, weight, out);
        else if (period == 8)
            write_periods(n, 8, line, node, weight, out);
        else
            write_periods(n, period, line, node, weight, out);
        for (i64 c = n * period; c < width; c++) out[c] = between(weight + 4 * c, line + node[c]);
    }
}
