/* The elementary functions over arrays, for plans whose bits matter and for the tests of their accuracy. */
#include "elementary.h"

#define OVER_ARRAY(name)                                                        \
    KERNEL(void, elementary_##name)(i64 n, const f64 *x, f64 *restrict out) {   \
        for (i64 i = 0; i < n; i++) out[i] = name##_(x[i]);                     \
    }

OVER_ARRAY(exp)
OVER_ARRAY(log)
OVER_ARRAY(log1p)
OVER_ARRAY(sin)
OVER_ARRAY(cos)
OVER_ARRAY(asin)

KERNEL(void, elementary_pow)(i64 n, const f64 *x, const f64 *y, f64 *restrict out) {
    for (i64 i = 0; i < n; i++) out[i] = pow_(x[i], y[i]);
}
