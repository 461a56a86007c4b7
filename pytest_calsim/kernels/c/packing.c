/* Random sequential placement of spheres: first come, first served. */
#include "common.h"

/* The bin along one axis, of `bins`, that holds a distance from the first one's edge; the last bins are unbounded. */
static i64 bin_at(f64 along_um, f64 bin_um, i64 bins) {
    f64 at = along_um / bin_um;
    if (!(at > 0)) return 0;
    return at < (f64)bins ? (i64)at : bins - 1;
}

/* Give each sphere the first of its tries that no earlier sphere refuses, and append it to those placed.
 *
 * tries_um      (n, tries, 3)    candidate centres (z, y, x)
 * radius_um     (n)
 * least_um                       least distance of two centres; negative: the sum of the two radii
 * placed_um, placed_radius_um    (capacity, 3), (capacity): of earlier spheres the first n_placed; filled on
 * newest        (rows, columns)  the sphere that came last in each bin of the plane, -1 for none
 * older         (capacity)       the sphere that came before each in its bin, -1 for none
 * origin_y_um, origin_x_um, bin_um  corner of the bins and their side; no two spheres meet across more than one bin
 * taken         (n)              written: which try each took, -1 where all were refused
 *
 * There is room for n more. Returns how many are placed now.
 */
KERNEL(i64, place_spheres)(i64 n, i64 tries, const f64 *tries_um, const f64 *radius_um, f64 least_um, f64 *placed_um,
                           f64 *placed_radius_um, i64 n_placed, i64 rows, i64 columns, i64 *newest, i64 *older,
                           f64 origin_y_um, f64 origin_x_um, f64 bin_um, i64 *taken) {
    for (i64 i = 0; i < n; i++) {
        taken[i] = -1;
        for (i64 t = 0; t < tries && taken[i] < 0; t++) {
            const f64 *at = tries_um + (i * tries + t) * 3;
            i64 row = bin_at(at[1] - origin_y_um, bin_um, rows), column = bin_at(at[2] - origin_x_um, bin_um, columns);
            bool is_free = true;
            for (i64 r = MAX(row - 1, 0); r < MIN(row + 2, rows); r++) {
                for (i64 c = MAX(column - 1, 0); c < MIN(column + 2, columns); c++) {
                    for (i64 j = newest[r * columns + c]; j >= 0 && is_free; j = older[j]) {
                        const f64 *other = placed_um + 3 * j;
                        f64 least = least_um >= 0 ? least_um : radius_um[i] + placed_radius_um[j];
                        f64 dz = at[0] - other[0], dy = at[1] - other[1], dx = at[2] - other[2];
                        is_free = dz * dz + dy * dy + dx * dx >= least * least;
                    }
                }
            }
            if (!is_free) continue;
            for (i64 axis = 0; axis < 3; axis++) placed_um[3 * n_placed + axis] = at[axis];
            placed_radius_um[n_placed] = radius_um[i];
            older[n_placed] = newest[row * columns + column];
            newest[row * columns + column] = n_placed;
            n_placed++;
            taken[i] = t;
        }
    }
    return n_placed;
}
