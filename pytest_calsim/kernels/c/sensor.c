/* What the instrument does to light that leaves the tissue: it moves over it, shades it, and makes codes of it.
 *
 * Row by row while a row of some frames is at hand, in pieces that stay in the nearest cache, through short loops that
 * become SIMD code. Every pixel of every frame has four random words of its own, named by (key, frame, row, column),
 * whatever its light and whatever other pixels do: one for a pair of Gaussians (the read noise, and a bright pixel's
 * count), the others for what its count needs besides. Here rows and columns are counted from the optical axis in the
 * window's middle, so that a larger sensor shows the same noise there.
 */
#include "poisson.h"

/* From a pixel's counter to its neighbour's. */
#define STEP (4 * GAMMA)

/* Most pixels that are drawn together. */
enum { PIECE = 192 };

/* What the instrument shows of n images, through fields that are fixed to it. */
typedef struct {
    i64 n, height, width;
    i64 image_height, image_width;
    const f32 *images;  /* (n, image_height, image_width) */
    const i64 *row;     /* (n): the image's pixel under the window's pixel (0, 0) */
    const i64 *column;  /* (n) */
    const bool *whole;  /* (n): that pixel itself, not between it and the next ones */
    const f32 *weights; /* (n, 2, 4): else those of four rows and of four columns; row and column are the second */
    f32 *filtered;      /* (n, 4, width): scratch, the last four image rows weighed along themselves */
    i64 n_fields;
    const f32 *fields;  /* (n_fields, height, width): what is added to a pixel, or what it is multiplied by */
    const bool *adds;   /* (n_fields) */
} View;

#define VIEW_PARAMETERS                                                                                             \
    i64 n, i64 height, i64 width, i64 image_height, i64 image_width, const f32 *images, const i64 *row,             \
        const i64 *column, const bool *whole, const f32 *weights, f32 *filtered, i64 n_fields, const f32 *fields,   \
        const bool *adds
#define VIEW                                                                                                        \
    {                                                                                                               \
        n, height, width, image_height, image_width, images, row, column, whole, weights, filtered, n_fields,       \
            fields, adds                                                                                            \
    }

/* What turns light into codes. */
typedef struct {
    i64 width;
    i64 response_rows, dark_rows, offset_rows; /* 1: the same row everywhere; else the window's height */
    const f32 *response;                       /* (rows, width), electrons per unit of light */
    const f32 *dark;                           /* (rows, width), electrons */
    const f32 *offset;                         /* (rows, width), codes */
    u64 key;
    f32 full_well, read_noise; /* electrons */
    f32 gain, row_noise;       /* codes per electron; codes */
    f32 top_code, kept;        /* highest code of the converter; 2^-bits that are dropped */
    bool shot;                 /* whether counts are random */
    f32 brightest;             /* mean electrons: brighter pixels fill their wells as well, but for a chance of 1e-15 */
    const u64 *middle, *fine;  /* tables of poisson.h */
} Chip;

#define CHIP_PARAMETERS                                                                                             \
    i64 response_rows, const f32 *response, i64 dark_rows, const f32 *dark, i64 offset_rows, const f32 *offset,     \
        u64 key, f64 full_well, f64 read_noise, f64 gain, f64 row_noise, f64 top_code, f64 kept, bool shot,         \
        const u64 *middle, const u64 *fine
#define CHIP                                                                                                        \
    {                                                                                                               \
        width, response_rows, dark_rows, offset_rows, response, dark, offset, key, (f32)full_well, (f32)read_noise, \
            (f32)gain, (f32)row_noise, (f32)top_code, (f32)kept, shot,                                              \
            (f32)(full_well + 8 * sqrt(full_well) + 64), middle, fine                                               \
    }

/* The image's pixel under pixel (r, 0) of window f. */
static inline const f32 *pixel_of(const View *view, i64 f, i64 r) {
    return view->images + (f * view->image_height + view->row[f] + r) * view->image_width + view->column[f];
}

/* Interpolate row r of the window on image f: weigh four rows and four columns around each pixel. Beside a sharp edge
 * the sum may undershoot 0; light is never negative, so it is 0 there. Rows must come one after the other from 0 on, as
 * each image row is filtered once, and kept for the next three. */
static inline void displace(const View *view, i64 f, i64 r, f32 *restrict light) {
    i64 width = view->width;
    const f32 *down = view->weights + 8 * f;
    const f32 *along = down + 4;
    f32 *filtered = view->filtered + 4 * f * width;
    for (i64 i = r > 0 ? r + 3 : 0; i < r + 4; i++) {
        const f32 *source = pixel_of(view, f, i - 1) - 1;
        f32 *restrict to = filtered + (i & 3) * width;
        for (i64 x = 0; x < width; x++) {
            const f32 *at = source + x;
            to[x] = along[0] * at[0] + along[1] * at[1] + along[2] * at[2] + along[3] * at[3];
        }
    }
    const f32 *above = filtered + (r & 3) * width;
    const f32 *upper = filtered + ((r + 1) & 3) * width;
    const f32 *lower = filtered + ((r + 2) & 3) * width;
    const f32 *below = filtered + ((r + 3) & 3) * width;
    for (i64 x = 0; x < width; x++) {
        f32 sum = down[0] * above[x] + down[1] * upper[x] + down[2] * lower[x] + down[3] * below[x];
        light[x] = sum > 0 ? sum : 0;
    }
}

/* Write the light that reaches row r of the sensor in frame f. */
static inline void look_at(const View *view, i64 f, i64 r, f32 *restrict light) {
    i64 width = view->width;
    if (view->whole[f])
        memcpy(light, pixel_of(view, f, r), (size_t)width * sizeof *light);
    else
        displace(view, f, r, light);
    for (i64 k = 0; k < view->n_fields; k++) {
        const f32 *field = view->fields + (k * view->height + r) * width;
        if (view->adds[k])
            for (i64 x = 0; x < width; x++) light[x] += field[x];
        else
            for (i64 x = 0; x < width; x++) light[x] *= field[x];
    }
}

static inline i64 piece_length(i64 width) {
    i64 n_pieces = MAX(1, (width + PIECE - 1) / PIECE);
    return (width + n_pieces - 1) / n_pieces;
}

static inline void hash_row(u64 first, i64 n, u64 *restrict words) {
    for (i64 i = 0; i < n; i++) words[i] = mix(first + (u64)i * STEP);
}

static inline const f32 *row_of(const f32 *map, i64 rows, i64 r, i64 width) { return rows > 1 ? map + r * width : map; }

/* The hash of (key, frame, row), from which the counters of a row's pixels begin. */
static inline u64 row_word(u64 key, i64 frame, i64 r) {
    return mix(mix(mix(key) + (u64)frame * GAMMA) + (u64)r * GAMMA);
}

/* Write the codes of n <= PIECE pixels of row r, from column x on: Poisson electrons (or their means), full well, read
 * noise, gain, offsets, converter, bits dropped. Negative light and NaN count as none. word is the row's. */
static inline void expose_piece(const Chip *chip, i64 r, i64 x, i64 n, const f32 *restrict light, u64 word,
                                f32 row_offset, i32 *restrict codes) {
    u64 a[PIECE], b[PIECE], c[PIECE], d[PIECE];
    f32 mean[PIECE], one[PIECE], other[PIECE], rest[PIECE];
    i32 electrons[PIECE];
    u64 counter = word + (u64)(x - chip->width / 2) * STEP;
    hash_row(counter, n, a);
    hash_row(counter + GAMMA, n, b);
    const f32 *response = row_of(chip->response, chip->response_rows, r, chip->width) + x;
    const f32 *dark = row_of(chip->dark, chip->dark_rows, r, chip->width) + x;
    i32 n_dim = 0;
    for (i64 i = 0; i < n; i++) {
        f32 lit = light[i] > 0 ? light[i] : 0;
        f32 e = lit * response[i] + dark[i];
        e = e > 0 ? e : 0;
        mean[i] = MIN(e, chip->brightest);
        n_dim += mean[i] < BRIGHT_E;
    }
    gaussian_pairs_of(n, a, one, other);
    if (chip->shot) {
        draw_bright(n, mean, one, b, codes, electrons); /* codes are scratch until the end */
        if (n_dim > 0) {
            hash_row(counter + 2 * GAMMA, n, c);
            hash_row(counter + 3 * GAMMA, n, d);
            draw_dim(n, mean, b, c, d, chip->middle, chip->fine, codes, rest, electrons);
        }
        for (i64 i = 0; i < n; i++) mean[i] = (f32)electrons[i];
    }
    const f32 *offset = row_of(chip->offset, chip->offset_rows, r, chip->width) + x;
    for (i64 i = 0; i < n; i++) {
        f32 signal = MIN(mean[i], chip->full_well) + chip->read_noise * other[i];
        f32 code = rintf(signal * chip->gain + (offset[i] + row_offset));
        code = code > 0 ? code : 0;
        codes[i] = (i32)floorf(MIN(code, chip->top_code) * chip->kept);
    }
}

/* Write the light that reaches the sensor, (n, height, width). */
KERNEL(void, look)(VIEW_PARAMETERS, f32 *restrict out) {
    const View view = VIEW;
    for (i64 r = 0; r < height; r++)
        for (i64 f = 0; f < n; f++) look_at(&view, f, r, out + (f * height + r) * width);
}

/* Write the codes that the sensor makes of it, (n, height, width). The first image is frame `start`; light (width) is
 * scratch. */
#define EXPOSE(type)                                                                                                \
    KERNEL(void, expose_##type)(VIEW_PARAMETERS, CHIP_PARAMETERS, i64 start, f32 *light, type *restrict out) {      \
        const View view = VIEW;                                                                                     \
        const Chip chip = CHIP;                                                                                     \
        i32 codes[PIECE];                                                                                           \
        i64 piece = piece_length(width);                                                                            \
        for (i64 r = 0; r < height; r++)                                                                            \
            for (i64 f = 0; f < n; f++) {                                                                           \
                look_at(&view, f, r, light);                                                                        \
                u64 word = row_word(key, start + f, r - height / 2);                                                \
                /* The complement names the noise of the whole row. */                                              \
                f32 row_offset = chip.row_noise * gaussian(mix(~word));                                             \
                type *row_out = out + (f * height + r) * width;                                                     \
                for (i64 x = 0; x < width; x += piece) {                                                            \
                    i64 length = MIN(piece, width - x);                                                             \
                    expose_piece(&chip, r, x, length, light + x, word, row_offset, codes);                          \
                    for (i64 i = 0; i < length; i++) row_out[x + i] = (type)codes[i];                               \
                }                                                                                                   \
            }                                                                                                       \
    }

EXPOSE(u8)
EXPOSE(u16)

/* Write two independent standard Gaussians for each of n words. */
KERNEL(void, gaussian_pairs)(i64 n, const u64 *words, f32 *restrict one, f32 *restrict other) {
    gaussian_pairs_of(n, words, one, other);
}

/* Write the probability of each count, by Poisson's distribution and as a rounded Gaussian; for tests of the method. */
KERNEL(void, poisson_chances)(i64 n, f32 mean, const f64 *counts, f64 *restrict poisson, f64 *restrict rounded) {
    for (i64 i = 0; i < n; i++) {
        Rounded gaussian = rounded_gaussian(mean, counts[i]);
        rounded[i] = chance_of(gaussian, mean);
        poisson[i] = rounded[i] * poisson_ratio(mean, counts[i], gaussian);
    }
}
