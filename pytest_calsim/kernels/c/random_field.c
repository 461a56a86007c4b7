/* Sum the cosines of a smooth random field: sum over modes of cos(a(mode, row) + b(mode, column)).
 *
 * By the addition theorem cosines and sines along each axis are enough. Modes, a multiple of four of them, are summed
 * in one order at every position: a value depends on its position alone, not on what else is asked for.
 */
#include "common.h"

/* row_cos, row_sin (modes, height); column_cos, column_sin (modes, width); field is written (height, width). */
KERNEL(void, sum_cosines)(
        i64 modes, i64 height, i64 width, const f64 *row_cos, const f64 *row_sin, const f64 *column_cos,
        const f64 *column_sin, f64 *restrict field) {
    for (i64 r = 0; r < height; r++) {
        f64 *restrict line = field + r * width;
        for (i64 c = 0; c < width; c++) line[c] = 0;
        for (i64 m = 0; m < modes; m += 4) {
            f64 a[4];
            f64 b[4];
            for (i64 k = 0; k < 4; k++) {
                a[k] = row_cos[(m + k) * height + r];
                b[k] = row_sin[(m + k) * height + r];
            }
            const f64 *x = column_cos + m * width;
            const f64 *y = column_sin + m * width;
            for (i64 c = 0; c < width; c++) {
                f64 first = a[0] * x[c] - b[0] * y[c];
                f64 second = a[1] * x[width + c] - b[1] * y[width + c];
                f64 third = a[2] * x[2 * width + c] - b[2] * y[2 * width + c];
                f64 fourth = a[3] * x[3 * width + c] - b[3] * y[3 * width + c];
                line[c] += (first + second) + (third + fourth);
            }
        }
    }
}
