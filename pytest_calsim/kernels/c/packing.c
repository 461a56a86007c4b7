/* Random sequential placement of spheres: first come, first served.
 *
 * The plane is divided into tiles. Each has a stream of its own, of candidates that arrive one after the other, so what
 * is drawn in a tile depends on nothing beside it. Whether a candidate is placed depends on those that arrived before
 * near by, which may lie in tiles that nobody drew: then it is said to be uncertain, and so is what depends on it.
 */
#include "common.h"
#include "elementary.h"
#include "random.h"

/* Random words that a candidate draws. */
#define WORDS 8

/* Numbers that describe a candidate. */
enum { ARRIVAL, DEPTH, DOWN, ALONG, SIZE, NORMAL, CANDIDATE };

/* Draw the candidates of tiles that arrive until some time.
 *
 * keys        (tiles)      name of each tile's stream
 * rate        candidates in a tile per unit of time
 * until       the time
 * most        of a tile's candidates that are drawn, whenever they arrive; negative: no bound
 * start       (tiles + 1)  where each tile's candidates go; what finds no room is counted, not kept
 * candidates  (room, CANDIDATE)  arrival; place in the layer and along both sides of the tile, in (0, 1]; a triangular
 *             number, between -1 and 1; a standard normal one (Box & Muller 1958)
 * count       (tiles)      how many arrive
 */
KERNEL(void, draw_candidates)(i64 tiles, const u64 *keys, f64 rate, f64 until, i64 most, const i64 *start,
                              f64 *candidates, i64 *count) {
    for (i64 tile = 0; tile < tiles; tile++) {
        f64 now = 0;
        i64 n = 0;
        while (most < 0 || n < most) {
            u64 counter = keys[tile] + (u64)n * (WORDS * GAMMA);
            now -= log_(uniform_next(&counter)) / rate;
            if (!(now <= until)) break;
            if (n < start[tile + 1] - start[tile]) {
                f64 *own = candidates + (start[tile] + n) * CANDIDATE;
                own[ARRIVAL] = now;
                own[DEPTH] = uniform_next(&counter);
                own[DOWN] = uniform_next(&counter);
                own[ALONG] = uniform_next(&counter);
                f64 half = uniform_next(&counter);
                own[SIZE] = half + uniform_next(&counter) - 1;
                f64 radius = sqrt(-2.0 * log_(uniform_next(&counter)));
                own[NORMAL] = radius * cos_(2.0 * PI * uniform_next(&counter));
            }
            n++;
        }
        count[tile] = n;
    }
}

/* The bin along one axis, of `bins`, that holds a distance from the first one's edge; the last bins are unbounded. */
static i64 bin_at(f64 along_um, f64 bin_um, i64 bins) {
    f64 at = along_um / bin_um;
    if (!(at > 0)) return 0;
    return at < (f64)bins ? (i64)at : bins - 1;
}

enum { REFUSED, PLACED, UNCERTAIN };

/* Place each sphere that no earlier one refuses, in their order.
 *
 * center_um     (n, 3)           (z, y, x)
 * radius_um     (n)
 * least_um      least distance of a centre from earlier ones; negative: the sum of the two radii
 * counts        (n)              which of them count towards stop_after
 * stop_after    the last one that counts and is placed, where so many are; negative: never
 * known_um      (4)              what is drawn of the plane: first y, last y, first x, last x
 * largest_um    largest radius of a sphere beyond that
 * placed_um, placed_radius_um, certain    (capacity, 3), (capacity), (capacity): of earlier spheres the first n_placed;
 *               filled on, with those that are uncertain
 * newest        (rows, columns)  the sphere that came last in each bin of the plane, -1 for none
 * older         (capacity)       the sphere that came before each in its bin, -1 for none
 * origin_y_um, origin_x_um, bin_um  corner of the bins and their side; no two spheres meet across more than one bin
 * state         (n)              written: REFUSED, PLACED or UNCERTAIN
 *
 * There is room for n more. Returns how many of the n were looked at: all, or those up to the last.
 */
KERNEL(i64, place_spheres)(i64 n, const f64 *center_um, const f64 *radius_um, f64 least_um, const bool *counts,
                           i64 stop_after, const f64 *known_um, f64 largest_um, f64 *placed_um, f64 *placed_radius_um,
                           bool *certain, i64 n_placed, i64 rows, i64 columns, i64 *newest, i64 *older,
                           f64 origin_y_um, f64 origin_x_um, f64 bin_um, u8 *state) {
    i64 n_counted = 0;
    for (i64 i = 0; i < n; i++) {
        if (n_counted == stop_after) return i;
        const f64 *at = center_um + 3 * i;
        f64 reach_um = least_um >= 0 ? least_um : radius_um[i] + largest_um;
        i64 row = bin_at(at[1] - origin_y_um, bin_um, rows);
        i64 column = bin_at(at[2] - origin_x_um, bin_um, columns);
        bool is_certain = at[1] - known_um[0] >= reach_um && known_um[1] - at[1] >= reach_um
                       && at[2] - known_um[2] >= reach_um && known_um[3] - at[2] >= reach_um;
        bool is_refused = false;
        for (i64 r = MAX(row - 1, 0); r < MIN(row + 2, rows); r++) {
            for (i64 c = MAX(column - 1, 0); c < MIN(column + 2, columns); c++) {
                for (i64 j = newest[r * columns + c]; j >= 0 && !is_refused; j = older[j]) {
                    const f64 *other = placed_um + 3 * j;
                    f64 least = least_um >= 0 ? least_um : radius_um[i] + placed_radius_um[j];
                    f64 dz = at[0] - other[0];
                    f64 dy = at[1] - other[1];
                    f64 dx = at[2] - other[2];
                    if (dz * dz + dy * dy + dx * dx >= least * least) continue;
                    is_refused = certain[j];
                    is_certain = is_certain && certain[j];
                }
            }
        }
        state[i] = is_refused ? REFUSED : is_certain ? PLACED : UNCERTAIN;
        if (is_refused) continue;
        n_counted += is_certain && counts[i];
        for (i64 axis = 0; axis < 3; axis++) placed_um[3 * n_placed + axis] = at[axis];
        placed_radius_um[n_placed] = radius_um[i];
        certain[n_placed] = is_certain;
        older[n_placed] = newest[row * columns + column];
        newest[row * columns + column] = n_placed;
        n_placed++;
    }
    return n;
}
