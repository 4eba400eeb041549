/* SPDX-License-Identifier: MIT */
/* Two functions of the exponential distribution, without the library of mathematics. */
#ifndef HAK_PROFILE_EXPONENTIAL_H
#define HAK_PROFILE_EXPONENTIAL_H

#include <stdint.h>

#include "base/compiler.h"

/*
 * -ln(bits / 2^64), for bits above 0, within 1e-12 of it: an exponentially distributed number if all
 * bits are equally likely. By the power of two, and the series of the area tangent of the rest.
 */
static inline double hak__exponential(uint64_t bits)
{
    const double ln2 = 0.69314718055994530942;
    int zeros = __builtin_clzll(bits);
    double mantissa = (double)(bits << zeros) / 18446744073709551616.0; /* 1/2 to 1 */
    double z = (mantissa - 0.70710678118654752440) / (mantissa + 0.70710678118654752440);
    double square = z * z, term = z, sum = 0;
    for (int i = 1; i < 24; i += 2, term *= square)
        sum += term / i;
    return (zeros + 0.5) * ln2 - 2 * sum;
}

/* 1 - exp(-x), for x of at least 0; the relative error is below 1e-12 for the smallest x, too. */
static inline double hak__probability(double x)
{
    enum { HALVINGS = 10, TERMS = 8 };
    if (x > 40)
        return 1;
    double small = x / (1 << HALVINGS), term = small, sum = 0;
    for (int i = 1; i <= TERMS; i++) {
        sum += term;
        term *= -small / (i + 1);
    }
    for (int i = 0; i < HALVINGS; i++)
        sum *= 2 - sum; /* 1 - exp(-2x) = p(2 - p) */
    return sum;
}

#endif
