/* Cells' shapes: how somata and their dendrites are drawn at random, and one shape sampled on a grid.
 *
 * A soma's outline has random harmonics of order 2 to 5. Dendrites leave it in cones, wiggle, taper, and fork or run
 * on. Lengths and radii of dendrites are in soma radii until the end, when all become um.
 */
#include "cell_shapes.h"

#include "elementary.h"

/* Largest amplitude of each harmonic, as a fraction of the mean radius: an ellipse first, then corners. Their sum stays
 * below 1, so the outline never meets the centre. */
static const f64 AMPLITUDES[HARMONICS] = {0.18, 0.09, 0.05, 0.025};

enum {
    FEWEST_DENDRITES = 3,
    MOST_DENDRITES = 6,
    STEPS = 5, /* segments along a trunk, and along each branch */
    SOMA_DRAWS = 2 * HARMONICS,
    DENDRITE_DRAWS = 8 + 3 * STEPS,
    /* For one cell; cell_shapes.py repeats both. */
    DRAWS = SOMA_DRAWS + 2 + MOST_DENDRITES * DENDRITE_DRAWS,
    MOST_SEGMENTS = MOST_DENDRITES * 3 * STEPS,
};

typedef struct {
    f64 low, high;
} Bounds;

static const Bounds TRUNK_LENGTH = {2.0, 3.2};      /* from the soma's centre to the fork */
static const Bounds TRUNK_THICKNESS = {0.16, 0.26}; /* radius of a trunk at its fork */
static const Bounds FORK_RAD = {0.35, 0.75};        /* angle between a trunk and each of its branches */
static const Bounds BRANCH_LENGTH = {2.0, 3.6};
static const f64 ROOT_THICKNESS = 0.5; /* radius of a trunk at the soma's centre: the cone by which it leaves */
static const f64 FORKING = 0.75;       /* share of the trunks that fork in two; the others run on as one */
/* Radius of each of two equal branches over their trunk's, 2^(-2/3): the sum of r^(3/2) is conserved (Rall 1959). */
static const f64 RALL = 0.6299605249474366;
static const f64 TIP = 0.45;         /* radius of a tip over that at the begin of its branch */
static const f64 WIGGLE_RAD = 0.26;  /* largest turn from one segment to the next */
static const f64 FANNING_OUT = 0.6;  /* how far trunks leave their equal spacing, as a share of it */

static f64 uniform_within(Bounds bounds, f64 u) { return bounds.low + (bounds.high - bounds.low) * u; }

typedef struct {
    f64 y, x, heading;
} End;

/* Write a path of equal steps whose radius falls in proportion to what is left of it, or to the square of that. Return
 * where it ends. */
static End grow_path(End at, f64 length, f64 first_radius, f64 last_radius, bool squared, const f64 *u, f64 *segments) {
    f64 radius = first_radius;
    for (i64 k = 0; k < STEPS; k++) {
        f64 *s = segments + k * SEGMENT;
        at.heading += WIGGLE_RAD * (2 * u[k] - 1);
        s[0] = at.y;
        s[1] = at.x;
        s[2] = radius;
        at.y += sin_(at.heading) * length / (f64)STEPS;
        at.x += cos_(at.heading) * length / (f64)STEPS;
        f64 left = 1 - (f64)(k + 1) / (f64)STEPS;
        radius = last_radius + (first_radius - last_radius) * (squared ? left * left : left);
        s[3] = at.y;
        s[4] = at.x;
        s[5] = radius;
    }
    return at;
}

/* Write the segments of all dendrites, and return how many there are.
 *
 * `number` is how many leave the soma, negative for 3 to 6 at random; lengths and radii are multiplied by two factors. A
 * trunk never leaves thinner than it is at its fork.
 */
static i64 grow_dendrites(const f64 *u, i64 number, f64 longer, f64 wider, f64 *segments) {
    i64 drawn = FEWEST_DENDRITES + (i64)(u[0] * (MOST_DENDRITES + 1 - FEWEST_DENDRITES));
    i64 dendrites = number < 0 ? drawn : number;
    i64 n = 0;
    for (i64 i = 0; i < dendrites; i++) {
        const f64 *v = u + 2 + i * DENDRITE_DRAWS;
        const f64 *turns = v + 8;
        f64 thickness = wider * uniform_within(TRUNK_THICKNESS, v[1]);
        f64 root = MAX(ROOT_THICKNESS, thickness);
        f64 heading = 2 * PI * (u[1] + ((f64)i + FANNING_OUT * (v[0] - 0.5)) / (f64)dendrites);
        End fork = grow_path((End){0, 0, heading}, longer * uniform_within(TRUNK_LENGTH, v[2]), root, thickness, true,
                             turns, segments + n * SEGMENT);
        n += STEPS;
        bool forks = v[3] < FORKING;
        for (i64 branch = 0; branch < (forks ? 2 : 1); branch++) {
            End at = fork;
            f64 r = thickness;
            if (forks) {
                f64 angle = uniform_within(FORK_RAD, v[4 + branch]);
                at.heading += branch == 0 ? angle : -angle;
                r = thickness * RALL;
            }
            grow_path(at, longer * uniform_within(BRANCH_LENGTH, v[6 + branch]), r, TIP * r, false,
                      turns + (branch + 1) * STEPS, segments + n * SEGMENT);
            n += STEPS;
        }
    }
    return n;
}

/* Draw n cells' outlines and dendrites.
 *
 * u             (n, n_draws)           uniform numbers in [0, 1); n_draws is DRAWS
 * radius_um     (n)                    of the circle that has the area of the soma's outline; 0 for a point
 * uneven        (n)                    factor on the amplitudes of the outline's harmonics
 * dendrites     (n)                    how many, up to MOST_DENDRITES; negative: 3 to 6 at random
 * longer, wider (n)                    factors on the dendrites' lengths and radii
 * mean_um       (n)                    written: the outline's mean radius
 * extent_um     (n)                    written: radius of a circle about the centre that holds all of the cell
 * harmonics_um  (n, HARMONICS, 2)      written
 * segments      (n, 2)                 written: the first of each cell's segments, and one past the last
 * segments_um   (n_segments, SEGMENT)  the first ones written; there is room for MOST_SEGMENTS of each cell with any
 *
 * Returns how many segments there are, -1 where sizes are not these.
 */
KERNEL(i64, draw_shapes)(i64 n, i64 n_draws, const f64 *u, const f64 *radius_um, const f64 *uneven,
                         const i64 *dendrites, const f64 *longer, const f64 *wider, f64 *mean_um, f64 *extent_um,
                         f64 *harmonics_um, i64 *segments, i64 n_segments, f64 *segments_um) {
    if (n_draws != DRAWS) return -1;
    i64 count = 0;
    for (i64 i = 0; i < n; i++) {
        if (dendrites[i] > MOST_DENDRITES || (dendrites[i] != 0 && n_segments - count < MOST_SEGMENTS)) return -1;
        const f64 *own = u + i * DRAWS;
        f64 squares = 0;
        f64 widest = 0;
        for (i64 m = 0; m < HARMONICS; m++) {
            f64 amplitude = uneven[i] * AMPLITUDES[m] * own[m];
            squares += amplitude * amplitude;
            widest += amplitude;
        }
        /* Area of r(theta) = r0 (1 + sum of a_m cos(m theta - phi_m)): pi r0^2 (1 + sum of a_m^2 / 2). */
        mean_um[i] = radius_um[i] / sqrt(1 + squares / 2);
        extent_um[i] = mean_um[i] * (1 + widest);
        for (i64 m = 0; m < HARMONICS; m++) {
            f64 amplitude = mean_um[i] * (uneven[i] * AMPLITUDES[m] * own[m]);
            f64 phase = 2 * PI * own[HARMONICS + m];
            harmonics_um[(i * HARMONICS + m) * 2] = amplitude * cos_(phase);
            harmonics_um[(i * HARMONICS + m) * 2 + 1] = amplitude * sin_(phase);
        }
        segments[2 * i] = count;
        if (dendrites[i] != 0)
            count += grow_dendrites(own + SOMA_DRAWS, dendrites[i], longer[i], wider[i], segments_um + count * SEGMENT);
        segments[2 * i + 1] = count;
        for (i64 k = segments[2 * i]; k < count; k++) {
            f64 *s = segments_um + k * SEGMENT;
            for (i64 j = 0; j < SEGMENT; j++) s[j] *= radius_um[i];
            extent_um[i] = MAX(extent_um[i], sqrt(s[0] * s[0] + s[1] * s[1]) + s[2]);
            extent_um[i] = MAX(extent_um[i], sqrt(s[3] * s[3] + s[4] * s[4]) + s[5]);
        }
    }
    return count;
}

/* Write one shape at ascending positions: image (height, width). */
KERNEL(void, sample_shape)(i64 height, const f64 *y_um, i64 width, const f64 *x_um, f64 mean_um, const f64 *harmonics_um,
                           f64 half_thickness_um, f64 nucleus, i64 n_segments, const f64 *segments_um, f32 *image) {
    CellShape shape = {mean_um, harmonics_um, half_thickness_um, nucleus, n_segments, segments_um};
    sample_shape_at(&shape, height, width, y_um, x_um, image);
}
