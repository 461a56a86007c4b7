/* Add all light of the tissue to several images: cells, smooth light, and the background's layers.
 *
 * Patches of a thousand cells, and a dozen images, are far more than a processor's cache holds. So each row is
 * finished for all images while it is at hand, and what images share is read once. At every pixel the order of sums
 * is: units in their order, smooth light, layers in their order.
 */
#include "common.h"

static inline void add_scaled(i64 n, f32 scale, const f32 *values, f32 *restrict line) {
    for (i64 c = 0; c < n; c++) line[c] += scale * values[c];
}

/* Add smooth light, interpolated between four coarse rows, to a row; what vessels let pass of it, where there are any. */
static inline void add_smooth(i64 width, const f32 *weight, const f32 *rows, const f32 *through, f32 *restrict line) {
    f32 w0 = weight[0];
    f32 w1 = weight[1];
    f32 w2 = weight[2];
    f32 w3 = weight[3];
    const f32 *first = rows;
    const f32 *second = rows + width;
    const f32 *third = rows + 2 * width;
    const f32 *fourth = rows + 3 * width;
    if (through)
        for (i64 c = 0; c < width; c++)
            line[c] += through[c] * (w0 * first[c] + w1 * second[c] + w2 * third[c] + w3 * fourth[c]);
    else
        for (i64 c = 0; c < width; c++) line[c] += w0 * first[c] + w1 * second[c] + w2 * third[c] + w3 * fourth[c];
}

/* Add cells, smooth light and layers.
 *
 * row_start              where each row's runs of pixels begin (height + 1,)
 * unit, left, begin      of each run: its unit, its first column, where its pixels begin in values; begin has one more
 * light                  of each unit in each image (units, images)
 * wide                   smooth light at coarse rows and at each column (images, coarse_rows, width)
 * row_node, row_weight   the first of the four coarse rows of each row, and their weights (height, 4)
 * shaded, transmission   whether something multiplies smooth light, and what (height, width)
 * layers, weights        the background (n_layers, height, width), and its share in each image (images, n_layers)
 * dark                   whether there is no light yet, whatever `out` holds
 * out                    (images, height, width)
 */
KERNEL(void, add_tissue)(
        i64 images, i64 height, i64 width, i64 coarse_rows, i64 n_layers, const i64 *row_start, const i32 *unit,
        const i32 *left, const i64 *begin, const f32 *values, const f32 *light, const f32 *wide, const i64 *row_node,
        const f32 *row_weight, bool shaded, const f32 *transmission, const f32 *layers, const f32 *weights, bool dark,
        f32 *out) {
    for (i64 r = 0; r < height; r++) {
        if (dark)
            for (i64 f = 0; f < images; f++) {
                f32 *line = out + (f * height + r) * width;
                for (i64 c = 0; c < width; c++) line[c] = 0;
            }
        for (i64 k = row_start[r]; k < row_start[r + 1]; k++)
            for (i64 f = 0; f < images; f++)
                add_scaled(begin[k + 1] - begin[k], light[unit[k] * images + f], values + begin[k],
                           out + (f * height + r) * width + left[k]);
        const f32 *through = shaded ? transmission + r * width : NULL;
        for (i64 f = 0; f < images; f++)
            add_smooth(width, row_weight + 4 * r, wide + (f * coarse_rows + row_node[r]) * width, through,
                     out + (f * height + r) * width);
        for (i64 f = 0; f < images; f++)
            for (i64 k = 0; k < n_layers; k++)
                add_scaled(width, weights[f * n_layers + k], layers + (k * height + r) * width,
                           out + (f * height + r) * width);
    }
}
