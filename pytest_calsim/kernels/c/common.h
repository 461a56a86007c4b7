/* What all kernels share: short names of types, and how a function becomes public at one processor level.
 *
 * Arithmetic is strict IEEE 754: the build turns contraction off (-ffp-contract=off) and never asks for fast-math.
 * So a kernel gives the same bits at every level and with every compiler, as long as it calls no function of libm:
 * elementary.h brings exp, log, sin and the like. sqrt, floor, rint and fabs are single instructions, and exact.
 */
#ifndef CALSIM_COMMON_H
#define CALSIM_COMMON_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef int32_t i32;
typedef int64_t i64;
typedef uint64_t u64;
typedef float f32;
typedef double f64;

#define PI 3.141592653589793
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

#ifdef _WIN32
#define PUBLIC __declspec(dllexport)
#else
#define PUBLIC __attribute__((visibility("default")))
#endif

/* KERNEL(void, expose)(...) defines expose_v3 where the build says -DLEVEL=v3. */
#define JOIN_WORDS(a, b) a##_##b
#define JOIN(a, b) JOIN_WORDS(a, b)
#define KERNEL(returns, name) PUBLIC returns JOIN(name, LEVEL)

#endif
