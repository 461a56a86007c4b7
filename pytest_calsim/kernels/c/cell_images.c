/* Many cells in one go: each is sampled, averaged over pixels, blurred, and cut to what is not dark.
 *
 * Every cell has pixels of its own, as many as hold its shape, and each pixel is sampled at the centres of samples x
 * samples equal parts. Its image is larger by `pad` pixels on all sides.
 */
#include "cell_shapes.h"
#include "fourier_image.h"

typedef struct {
    i64 top, bottom, left, right; /* the bottom and the right are one past the last */
} Box;

/* Centres of n parts of pixels from `first` on, um from the cell's centre (px). */
static void place_parts(i64 first, f64 centre, i64 samples, f64 part_um, i64 n, f64 *at_um) {
    f64 begin = ((f64)first - 0.5 - centre) * (f64)samples + 0.5;
    for (i64 k = 0; k < n; k++) at_um[k] = ((f64)k + begin) * part_um;
}

/* Means over blocks of samples x samples parts: (height, width). */
static void write_block_means(i64 height, i64 width, i64 samples, const f32 *parts, f32 *restrict mean) {
    f32 share = (f32)(1.0 / (f64)(samples * samples));
    for (i64 r = 0; r < height; r++) {
        f32 *line = mean + r * width;
        for (i64 c = 0; c < width; c++) line[c] = 0;
        for (i64 a = 0; a < samples; a++) {
            const f32 *of_row = parts + (r * samples + a) * width * samples;
            for (i64 c = 0; c < width; c++)
                for (i64 b = 0; b < samples; b++) line[c] += of_row[c * samples + b];
        }
        for (i64 c = 0; c < width; c++) line[c] *= share;
    }
}

/* The smallest box that holds all that is not 0; four zeros where there is nothing. */
static Box nonzero_box(i64 height, i64 width, const f32 *image) {
    Box box = {height, 0, width, 0};
    for (i64 r = 0; r < height; r++) {
        const f32 *line = image + r * width;
        i64 first = 0;
        i64 stop = width;
        while (first < width && line[first] == 0) first++;
        if (first == width) continue;
        while (line[stop - 1] == 0) stop--;
        box.top = MIN(box.top, r);
        box.bottom = r + 1;
        box.left = MIN(box.left, first);
        box.right = MAX(box.right, stop);
    }
    return box.bottom ? box : (Box){0, 0, 0, 0};
}

/* What a window shows of a box of an image that begins at (top, left); in the image's own pixels. */
static Box seen_through(Box window, Box box, i64 top, i64 left) {
    return (Box){MAX(box.top, window.top - top), MIN(box.bottom, window.bottom - top),
                 MAX(box.left, window.left - left), MIN(box.right, window.right - left)};
}

static bool equal(Box a, Box b) {
    return a.top == b.top && a.bottom == b.bottom && a.left == b.left && a.right == b.right;
}

static f64 sum(i64 width, const f32 *image, Box box) {
    f64 total = 0;
    for (i64 r = box.top; r < box.bottom; r++)
        for (i64 c = box.left; c < box.right; c++) total += (f64)image[r * width + c];
    return total;
}

/* Largest sizes over n images: of the parts of a shape, of an image, of a side of either, and of scratch memory. */
typedef struct {
    i64 parts, pixels, side, scratch;
} Sizes;

static Sizes largest_of(i64 n, const ImagePlan *plans) {
    Sizes most = {1, 1, 1, 1};
    for (const ImagePlan *plan = plans; plan < plans + n; plan++) {
        most.parts = MAX(most.parts, plan->parts_y * plan->parts_x);
        most.side = MAX(most.side, MAX(plan->parts_y, plan->parts_x));
        if (plan->waves == 0) continue; /* sampled alone */
        most.pixels = MAX(most.pixels, plan->height * plan->width);
        most.side = MAX(most.side, plan->width);
        most.scratch = MAX(most.scratch, image_scratch(plan));
    }
    return most;
}

/* Copy a box of an image, row after row; return how many pixels that are. */
static i64 copy_box(i64 width, const f32 *image, Box box, f32 *restrict to) {
    i64 n = 0;
    for (i64 r = box.top; r < box.bottom; r++)
        for (i64 c = box.left; c < box.right; c++) to[n++] = image[r * width + c];
    return n;
}

/* Image one shape given at parts of pixels; false where memory is short.
 *
 * parts  (parts_y, parts_x)
 * image  (height, width), written
 * The other parameters are those of ImagePlan.
 */
KERNEL(bool, image_shape)(i64 parts_y, i64 parts_x, const f32 *parts, f64 first_y, f64 first_x, f64 sigma, f64 radius,
                          i64 waves, i64 turns, const c64 *circle, i64 n_bessel, const f32 *bessel, f64 bessel_step,
                          f64 faint, f64 flux, i64 height, i64 width, f32 *image) {
    ImagePlan plan = {parts_y, parts_x, height, width,    first_y, first_x,     sigma, radius,
                      waves,   turns,   circle, n_bessel, bessel,  bessel_step, faint};
    f32 *scratch = malloc((size_t)image_scratch(&plan) * sizeof *scratch);
    f64 *by_column = malloc((size_t)width * sizeof *by_column);
    bool enough = scratch && by_column;
    if (enough) blur_shape(&plan, parts, flux, scratch, by_column, image);
    free(scratch);
    free(by_column);
    return enough;
}

/* Sample n cells, and image them.
 *
 * How each cell is sampled and imaged, in its own pixels:
 *   box             (n, 4)  first row, first column, height, width of the pixels that hold the shape
 *   samples         (n)     parts of a pixel along its side; part_um (n) is a part's side
 *   centre          (n, 2)  row and column of the cell's centre; pixels' centres are whole numbers
 *   is_point        (n)     whether the shape is but its one pixel, of one part; then point_flux (n) is its light
 *   pad             (n)     pixels by which the image begins before the shape
 *   radius, sigma   (n)     of the blur's disk and Gaussian, px
 *   waves           (n)     that the image is made of along an axis; 0: there is no image
 * The shapes, as in cell_shapes.h: mean_um, half_thickness_um, nucleus (n), harmonics_um (n, HARMONICS, 2), segments
 * (n, 2): the first of each cell's segments in segments_um (total, SEGMENT), and one past the last.
 * The circle of each image's period begins at circle_start (n) in circles; bessel and faint are those of ImagePlan.
 * canvas and sensor (4) are the first row, one past the last, first column and one past the last of what is kept of the
 * images, and of what their light is summed.
 * Written:
 *   planted    means over the pixels of `box`, cell after cell
 *   images     what is kept, cell after cell
 *   image_box  (n, 4)  first row, first column, height and width of that; zeros for nothing
 *   flux       (n)     each shape's sum over pixels
 *   within     (n)     each image's sum over the sensor
 * Returns how many values of `images` were written, -1 where memory is short.
 */
KERNEL(i64, image_cells)(i64 n, const i64 *box, const i64 *samples, const f64 *part_um, const f64 *centre,
                         const bool *is_point, const f64 *point_flux, const i64 *pad, const f64 *radius,
                         const f64 *sigma, const i64 *waves, const f64 *mean_um, const f64 *half_thickness_um,
                         const f64 *nucleus, const f64 *harmonics_um, const i64 *segments, const f64 *segments_um,
                         const i64 *circle_start, const c64 *circles, i64 n_bessel, const f32 *bessel, f64 bessel_step,
                         f64 faint, const i64 *canvas, const i64 *sensor, f32 *planted, f32 *images, i32 *image_box,
                         f64 *flux, f64 *within) {
    Box canvas_box = {canvas[0], canvas[1], canvas[2], canvas[3]};
    Box sensor_box = {sensor[0], sensor[1], sensor[2], sensor[3]};
    ImagePlan *plans = malloc((size_t)(n + 1) * sizeof *plans);
    if (!plans) return -1;
    for (i64 i = 0; i < n; i++) {
        i64 top = box[4 * i];
        i64 left = box[4 * i + 1];
        i64 height = box[4 * i + 2];
        i64 width = box[4 * i + 3];
        f64 middle = (f64)pad[i] - 0.5 + 0.5 / (f64)samples[i];
        plans[i] = (ImagePlan){
            .parts_y = height * samples[i],
            .parts_x = width * samples[i],
            .height = height + 2 * pad[i],
            .width = width + 2 * pad[i],
            .first_y = is_point[i] ? centre[2 * i] - (f64)top + (f64)pad[i] : middle,
            .first_x = is_point[i] ? centre[2 * i + 1] - (f64)left + (f64)pad[i] : middle,
            .sigma = sigma[i],
            .radius = radius[i],
            .waves = waves[i],
            .turns = (MAX(height, width) + 2 * pad[i]) * samples[i],
            .circle = circles + circle_start[i],
            .n_bessel = n_bessel,
            .bessel = bessel,
            .bessel_step = bessel_step,
            .faint = faint,
        };
    }
    Sizes most = largest_of(n, plans);
    f32 *parts = malloc((size_t)(most.parts + most.pixels + most.scratch) * sizeof *parts);
    f64 *y_um = malloc((size_t)(2 * most.side) * sizeof *y_um);
    if (!parts || !y_um) {
        free(plans);
        free(parts);
        free(y_um);
        return -1;
    }
    f32 *image = parts + most.parts;
    f32 *scratch = image + most.pixels;
    f64 *x_um = y_um + most.side;
    i64 written = 0;
    for (i64 i = 0; i < n; i++) {
        const ImagePlan *plan = plans + i;
        const i64 *pixels = box + 4 * i;
        i64 top = pixels[0];
        i64 left = pixels[1];
        i64 height = pixels[2];
        i64 width = pixels[3];
        if (is_point[i]) {
            parts[0] = 1;
            planted[0] = 1;
            flux[i] = point_flux[i];
        } else {
            CellShape shape = {mean_um[i], harmonics_um + i * HARMONICS * 2, half_thickness_um[i], nucleus[i],
                               segments[2 * i + 1] - segments[2 * i], segments_um + segments[2 * i] * SEGMENT};
            place_parts(top, centre[2 * i], samples[i], part_um[i], plan->parts_y, y_um);
            place_parts(left, centre[2 * i + 1], samples[i], part_um[i], plan->parts_x, x_um);
            sample_shape_at(&shape, plan->parts_y, plan->parts_x, y_um, x_um, parts);
            write_block_means(height, width, samples[i], parts, planted);
            flux[i] = sum(width, planted, (Box){0, height, 0, width});
        }
        planted += height * width;
        within[i] = 0;
        for (i64 k = 0; k < 4; k++) image_box[4 * i + k] = 0;
        if (waves[i] == 0) continue;
        blur_shape(plan, parts, flux[i], scratch, y_um, image);
        top -= pad[i];
        left -= pad[i];
        Box whole = nonzero_box(plan->height, plan->width, image);
        Box seen = seen_through(sensor_box, whole, top, left);
        /* Flux is conserved, so an image that lies wholly on the sensor needs no sum. */
        within[i] = equal(seen, whole) ? flux[i] : sum(plan->width, image, seen);
        Box kept = seen_through(canvas_box, whole, top, left);
        if (kept.top >= kept.bottom || kept.left >= kept.right) continue;
        image_box[4 * i] = (i32)(top + kept.top);
        image_box[4 * i + 1] = (i32)(left + kept.left);
        image_box[4 * i + 2] = (i32)(kept.bottom - kept.top);
        image_box[4 * i + 3] = (i32)(kept.right - kept.left);
        written += copy_box(plan->width, image, kept, images + written);
    }
    free(plans);
    free(parts);
    free(y_um);
    return written;
}
