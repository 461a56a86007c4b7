/* Spread the light of point sources by a broad Gaussian, on a grid coarser than pixels.
 *
 * A source lies between nodes: it is shared among four by four of them by cubic weights. The grid's rows are summed
 * into blurred rows, then columns into values. Between nodes, values are interpolated by four taps along each axis:
 * along columns here, along rows in tissue.c, while the image's row is at hand.
 * All sums run in one fixed order, whatever the number of images.
 */
#include "common.h"

/* Spread the sources of each image over the coarse grid.
 *
 * light                      of each source in each image (sources, images)
 * flux                       share of its light that is spread (sources,)
 * row_node, row_weight       first of the four rows of nodes of each source, and their weights (sources, 4)
 * column_node, column_weight the same along columns
 * row_offset, column_offset  node of the sources' grid at which `values` begins
 * gaussian                   by distance in nodes, from -reach to reach (2 * reach + 1,)
 * nodes                      scratch: the sources' grid (rows, columns)
 * blurred                    scratch: one row of it (columns,)
 * values                     what is written (images, height, width)
 */
KERNEL(void, spread_sources)(
        i64 images, i64 sources, i64 rows, i64 columns, i64 height, i64 width, i64 reach, const f32 *light,
        const f32 *flux, const i64 *row_node, const f32 *row_weight, const i64 *column_node, const f32 *column_weight,
        i64 row_offset, i64 column_offset, const f32 *gaussian, f32 *restrict nodes, f32 *restrict blurred,
        f32 *restrict values) {
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
            for (i64 c = 0; c < columns; c++) blurred[c] = 0;
            for (i64 s = MAX(0, at_row - reach); s < MIN(rows, at_row + reach + 1); s++) {
                f32 weight = gaussian[reach + s - at_row];
                const f32 *line = nodes + s * columns;
                for (i64 c = 0; c < columns; c++) blurred[c] += weight * line[c];
            }
            /* Column by column of sources, so that nodes are summed side by side. */
            f32 *restrict line = values + (f * height + r) * width;
            for (i64 c = 0; c < width; c++) line[c] = 0;
            for (i64 s = 0; s < columns; s++) {
                i64 at = s - column_offset;
                f32 value = blurred[s];
                i64 stop = MIN(width, at + reach + 1);
                for (i64 c = MAX(0, at - reach); c < stop; c++) line[c] += gaussian[reach + c - at] * value;
            }
        }
    }
}

/* Interpolate rows of nodes to the columns of an image.
 *
 * values           (rows, coarse)
 * node, weight     the first of the four nodes of each column, and their weights (width, 4)
 * wide             what is written (rows, width)
 */
KERNEL(void, upsample_columns)(
        i64 rows, i64 coarse, i64 width, const f32 *values, const i64 *node, const f32 *weight, f32 *restrict wide) {
    for (i64 r = 0; r < rows; r++) {
        const f32 *line = values + r * coarse;
        for (i64 c = 0; c < width; c++) {
            const f32 *near = line + node[c];
            const f32 *w = weight + 4 * c;
            wide[r * width + c] = w[0] * near[0] + w[1] * near[1] + w[2] * near[2] + w[3] * near[3];
        }
    }
}
