/* SPDX-License-Identifier: MIT */
/* Two functions of the exponential distribution, without the library of mathematics. */
#ifndef HAK_PROFILE_EXPONENTIAL_H
#define HAK_PROFILE_EXPONENTIAL_H

#include <stdint.h>

#include "base/compiler.h"

/* The sum of the coefficients by the powers of x, without a division or a call. */
HAK_INLINE double hak__polynomial(const double *coefficients, int count, double x)
{
    double sum = 0;
    while (count-- > 0)
        sum = sum * x + coefficients[count];
    return sum;
}

/*
 * -ln(bits / 2^64), for bits above 0, within 1e-12 of it: an exponentially distributed number if all
 * bits are equally likely. By the power of two, and the series of the area tangent of the rest.
 */
static inline double hak__exponential(uint64_t bits)
{
    static const double series[] = {1, 1. / 3, 1. / 5, 1. / 7, 1. / 9, 1. / 11, 1. / 13, 1. / 15};
    const double ln2 = 0.69314718055994530942;
    int zeros = __builtin_clzll(bits);
    double mantissa = (double)(bits << zeros) / 18446744073709551616.0; /* 1/2 to 1 */
    double z = (mantissa - 0.70710678118654752440) / (mantissa + 0.70710678118654752440);
    return (zeros + 0.5) * ln2 - 2 * z * hak__polynomial(series, HAK_COUNT_OF(series), z * z);
}

/* 1 - exp(-x), for x of at least 0; the relative error is below 1e-12 for the smallest x, too. */
static inline double hak__probability(double x)
{
    static const double series[] = {1, -1. / 2, 1. / 6, -1. / 24, 1. / 120, -1. / 720};
    enum { HALVINGS = 10 };
    if (x > 40)
        return 1;
    double small = x / (1 << HALVINGS);
    double sum = small * hak__polynomial(series, HAK_COUNT_OF(series), small);
    for (int i = 0; i < HALVINGS; i++)
        sum *= 2 - sum; /* 1 - exp(-2x) = p(2 - p) */
    return sum;
}

#endif
