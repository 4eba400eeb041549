/* SPDX-License-Identifier: MIT */
/* Numbers on the command line. */
#ifndef HAK_TOOLS_NUMBER_TEXT_H
#define HAK_TOOLS_NUMBER_TEXT_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Reads a decimal number from 0 to most. With `suffixes` one of K, M and G may follow, which multiply it by
 * powers of 1024. False if the text is no such number; what *number is then means nothing.
 */
bool number_parse(const char *text, uint64_t most, bool suffixes, uint64_t *number);

/* A positive decimal number up to most, perhaps with a fraction; 0 if the text is none. */
double number_positive(const char *text, double most);

/* The ending of a regular noun that a number counts: "s", or nothing for 1. */
static inline const char *number_s(uint64_t number)
{
    return number == 1 ? "" : "s";
}

#endif
