/* See vessels from above: mean chords of tapered cylinders on pixels, and the blur of their shadows. */
#include "common.h"
#include "elementary.h"

/* Hold an index, still a double, within 0..n. */
static i64 index_within(f64 index, i64 n) { return index > 0 ? (i64)MIN(index, (f64)n) : 0; }

/* Antiderivative of the chord 2 sqrt(r^2 - u^2) of a circle, u held within -r..r. */
static inline f64 chord_area(f64 u, f64 radius) {
    u = MIN(MAX(u, -radius), radius);
    return u * sqrt(radius * radius - u * u) + radius * radius * asin_(u / radius);
}

/* Raise each pixel's chord to the longest vertical path inside any segment's lumen, um.
 *
 * The chord is averaged over one pixel across the vessel, which keeps its cross-section's area at any pixel size.
 *
 * y_um, x_um   centres of pixels (height,), (width,)
 * pixel_um     their distance
 * segments     y, x, radius at the start, then at the end, um (n, 6); radii are positive
 * chords       so far, raised in place (height, width)
 * added        where to add what they gain (height, width)
 */
KERNEL(void, lengthen_chords)(
        i64 height, i64 width, i64 n, const f64 *y_um, const f64 *x_um, f64 pixel_um, const f64 *segments,
        f32 *restrict chords, f32 *restrict added) {
    for (i64 s = 0; s < n; s++) {
        f64 y0 = segments[6 * s];
        f64 x0 = segments[6 * s + 1];
        f64 r0 = segments[6 * s + 2];
        f64 dy = segments[6 * s + 3] - y0;
        f64 dx = segments[6 * s + 4] - x0;
        f64 dr = segments[6 * s + 5] - r0;
        f64 length2 = dy * dy + dx * dx;
        f64 reach = MAX(r0, r0 + dr) + pixel_um;
        /* One pixel more on each side than can be touched: rounding of these bounds then changes nothing. */
        i64 top = index_within(floor((MIN(y0, y0 + dy) - reach - y_um[0]) / pixel_um) - 1, height);
        i64 bottom = index_within(floor((MAX(y0, y0 + dy) + reach - y_um[0]) / pixel_um) + 3, height);
        i64 left = index_within(floor((MIN(x0, x0 + dx) - reach - x_um[0]) / pixel_um) - 1, width);
        i64 right = index_within(floor((MAX(x0, x0 + dx) + reach - x_um[0]) / pixel_um) + 3, width);
        for (i64 r = top; r < bottom; r++)
            for (i64 c = left; c < right; c++) {
                f64 y = y_um[r] - y0;
                f64 x = x_um[c] - x0;
                f64 along = length2 > 0 ? MIN(MAX((y * dy + x * dx) / length2, 0.0), 1.0) : 0.0;
                f64 radius = r0 + along * dr;
                f64 off_y = y - along * dy;
                f64 off_x = x - along * dx;
                f64 far = radius + pixel_um / 2;
                f64 off2 = off_y * off_y + off_x * off_x;
                if (off2 >= far * far) continue;
                f64 off = sqrt(off2);
                f64 chord = chord_area(off + pixel_um / 2, radius) - chord_area(off - pixel_um / 2, radius);
                f32 more = (f32)(chord / pixel_um) - chords[r * width + c];
                if (more > 0) {
                    chords[r * width + c] += more;
                    added[r * width + c] += more;
                }
            }
    }
}

/* Functions of their own, as gcc otherwise merges two rounds of the loop over k and then finds no SIMD code for it. */
static void set_scaled(i64 n, f32 weight, const f32 *values, f32 *restrict line) {
    for (i64 c = 0; c < n; c++) line[c] = weight * values[c];
}

static void add_scaled_pair(i64 n, f32 weight, const f32 *one, const f32 *other, f32 *restrict line) {
    for (i64 c = 0; c < n; c++) line[c] += weight * (one[c] + other[c]);
}

/* Convolve an image along both axes with a symmetric kernel; the result lacks the image's rim.
 *
 * Where the kernel reaches beyond the image, its outermost pixels go on.
 *
 * image    (height, width)
 * half     the kernel by distance, 0..reach (reach + 1,)
 * line     scratch: a row blurred across rows, continued beyond both ends (width + 2 * reach,)
 * out      (height - 2 * rim, width - 2 * rim)
 */
KERNEL(void, blur)(
        i64 height, i64 width, i64 reach, i64 rim, const f32 *image, const f32 *half, f32 *restrict line,
        f32 *restrict out) {
    f32 *middle = line + reach;
    i64 inner = width - 2 * rim;
    for (i64 r = rim; r < height - rim; r++) {
        set_scaled(width, half[0], image + r * width, middle);
        for (i64 k = 1; k <= reach; k++)
            add_scaled_pair(width, half[k], image + MAX(r - k, 0) * width, image + MIN(r + k, height - 1) * width,
                            middle);
        for (i64 k = 1; k <= reach; k++) {
            line[reach - k] = middle[0];
            middle[width - 1 + k] = middle[width - 1];
        }
        const f32 *inside = middle + rim;
        f32 *blurred = out + (r - rim) * inner;
        set_scaled(inner, half[0], inside, blurred);
        for (i64 k = 1; k <= reach; k++) add_scaled_pair(inner, half[k], inside - k, inside + k, blurred);
    }
}
