/* Spread the light of point sources by a broad Gaussian, on a grid coarser than pixels.
 *
 * A source lies between nodes: it is shared among four by four of them by cubic weights. The grid's rows are summed
 * into blurred rows, then columns into values. Between nodes, values are interpolated by four taps along each axis:
 * along columns here, along rows in tissue.c, while the image's row is at hand.
 * All sums run in one fixed order, whatever the number of images.
 */
#include "common.h"

static inline void add_scaled(i64 n, f32 scale, const f32 *values, f32 *restrict line) {
    for (i64 c = 0; c < n; c++) line[c] += scale * values[c];
}

/* Spread the sources of each image over the coarse grid.
 *
 * light                      of each source in each image (sources, images)
 * flux                       share of its light that is spread (sources,)
 * row_node, row_weight       first of the four rows of nodes of each source, and their weights (sources, 4)
 * column_node, column_weight the same along columns
 * row_offset, column_offset  node of the sources' grid at which `values` begins
 * gaussian                   by distance in nodes, from -reach to reach (2 * reach + 1,)
 * nodes                      scratch: the sources' grid (rows, columns)
 * blurred                    scratch: a row of nodes that reach a row of values (width + 2 * reach,)
 * values                     what is written (images, height, width)
 */
KERNEL(void, spread_sources)(
        i64 images, i64 sources, i64 rows, i64 columns, i64 height, i64 width, i64 reach, const f32 *light,
        const f32 *flux, const i64 *row_node, const f32 *row_weight, const i64 *column_node, const f32 *column_weight,
        i64 row_offset, i64 column_offset, const f32 *gaussian, f32 *restrict nodes, f32 *restrict blurred,
        f32 *restrict values) {
    /* The columns of nodes that reach a value, beginning with the one that stands first in `blurred`. */
    i64 before = column_offset - reach, reaching = width + 2 * reach;
    i64 first = MIN(MAX(0, before), columns), last = MAX(first, MIN(columns, before + reaching));
    for (i64 f = 0; f < images; f++) {
        for (i64 i = 0; i < rows * columns; i++) nodes[i] = 0;
        for (i64 i = 0; i < sources; i++) {
            f32 spread = light[i * images + f] * flux[i];
            for (i64 a = 0; a < 4; a++) {
                f32 share = spread * row_weight[4 * i + a];
                f32 *line = nodes + (row_node[i] + a) * columns + column_node[i];
                for (i64 b = 0; b < 4; b++) line[b] += share * column_weight[4 * i + b];
            }
        }
        for (i64 r = 0; r < height; r++) {
            i64 at_row = r + row_offset;
            for (i64 c = 0; c < reaching; c++) blurred[c] = 0;
            for (i64 s = MAX(0, at_row - reach); s < MIN(rows, at_row + reach + 1); s++)
                add_scaled(last - first, gaussian[reach + s - at_row], nodes + s * columns + first,
                           blurred + first - before);
            f32 *restrict line = values + (f * height + r) * width;
            for (i64 c = 0; c < width; c++) line[c] = 0;
            for (i64 k = 0; k < 2 * reach + 1; k++) add_scaled(width, gaussian[k], blurred + k, line);
        }
    }
}

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
