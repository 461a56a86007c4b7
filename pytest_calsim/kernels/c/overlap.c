/* How much cells' images overlap: the sum of the product of each two that meet. */
#include "common.h"

typedef struct {
    i64 top, bottom, left, right; /* the bottom and the right are one past the last */
} Area;

typedef struct {
    const f32 *values; /* patch i begins at start[i], in rows */
    const i64 *start;
    const i32 *box; /* (n, 4): first row, first column, height and width of each on a common grid */
} Patches;

static Area common_area(Area a, Area b) {
    return (Area){MAX(a.top, b.top), MIN(a.bottom, b.bottom), MAX(a.left, b.left), MIN(a.right, b.right)};
}

static Area area_of(const Patches *patches, i64 i) {
    const i32 *box = patches->box + 4 * i;
    return (Area){box[0], (i64)box[0] + box[2], box[1], (i64)box[1] + box[3]};
}

static const f32 *value_at(const Patches *patches, i64 i, i64 row, i64 column) {
    const i32 *box = patches->box + 4 * i;
    return patches->values + patches->start[i] + (row - box[0]) * box[3] + (column - box[1]);
}

/* Sum of the product of two patches within a window. */
static f64 dot(const Patches *patches, Area window, i64 i, i64 j, f32 *restrict by_column) {
    Area area = common_area(window, common_area(area_of(patches, i), area_of(patches, j)));
    i64 width = area.right - area.left;
    if (width <= 0) return 0;
    for (i64 c = 0; c < width; c++) by_column[c] = 0;
    for (i64 r = area.top; r < area.bottom; r++) {
        const f32 *ours = value_at(patches, i, r, area.left);
        const f32 *theirs = value_at(patches, j, r, area.left);
        /* Sums by column: no order of addition to keep within a row, so it becomes SIMD code. */
        for (i64 c = 0; c < width; c++) by_column[c] += ours[c] * theirs[c];
    }
    f64 total = 0;
    for (i64 c = 0; c < width; c++) total += (f64)by_column[c];
    return total;
}

/* Find the pairs of patches whose areas meet within a window; return how many there are.
 *
 * values, start (n + 1), box (n, 4)  the patches
 * top, left, height, width           of the window in which they are compared
 * order      (n)     the patches from the uppermost down
 * by_column          scratch, as long as the widest patch
 * square     (n)     written: each patch's sum of squares in the window
 * room               for how many pairs there is room; without any they are only counted
 * first, second (room)  written: the patches of each pair
 * product    (room)  written: the sum of their product in the window
 */
KERNEL(i64, image_products)(i64 n, const f32 *values, const i64 *start, const i32 *box, i64 top, i64 left, i64 height,
                            i64 width, const i64 *order, f32 *by_column, f64 *square, i64 room, i64 *first,
                            i64 *second, f64 *product) {
    Patches patches = {values, start, box};
    Area window = {top, top + height, left, left + width};
    i64 count = 0;
    for (i64 i = 0; i < n; i++) square[i] = dot(&patches, window, i, i, by_column);
    for (i64 a = 0; a < n; a++) {
        i64 i = order[a];
        Area ours = common_area(window, area_of(&patches, i));
        for (i64 b = a + 1; b < n; b++) {
            i64 j = order[b];
            if (box[4 * j] >= ours.bottom) break;
            Area both = common_area(ours, area_of(&patches, j));
            if (both.top >= both.bottom || both.left >= both.right) continue;
            if (count < room) {
                first[count] = i;
                second[count] = j;
                product[count] = dot(&patches, window, i, j, by_column);
            }
            count++;
        }
    }
    return count;
}
