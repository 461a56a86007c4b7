/* Sum pictures under sparse footprints. */
#include "common.h"

/* Sum v w, or v^2 w, over the pixels of each unit, in their order.
 *
 * start             where each unit's pixels begin (units + 1)
 * values, pixels    of all units, one after the other: their values, and which pixels of the picture they are
 * weight            the picture
 * sums              (units,)
 */
KERNEL(void, weighted_sums)(
        i64 units, const i64 *start, const f32 *values, const i32 *pixels, const f64 *weight, bool squared,
        f64 *sums) {
    for (i64 i = 0; i < units; i++) {
        f64 sum = 0;
        for (i64 k = start[i]; k < start[i + 1]; k++) {
            f64 value = (f64)values[k];
            sum += (squared ? value * value : value) * weight[pixels[k]];
        }
        sums[i] = sum;
    }
}
