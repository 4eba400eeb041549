/* SPDX-License-Identifier: MIT */
/* Numbers in text: read from the command line, and written for people. */
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

/* A number as text: a value that lasts as long as the expression in which it is made. */
struct number_text {
    char text[32];
};

/* Bytes with their unit: "31.2 MiB". */
struct number_text number_bytes(double bytes);

/* A difference of bytes: the same, always with a sign. */
struct number_text number_bytes_change(double bytes);

/* Bytes in MiB, or from 10 GiB on in GiB: "31.20 MiB". */
struct number_text number_mib_with_unit(double bytes);

/* The same for a column whose head says MiB: "31.20", "<0.01" for what would look like nothing, "31.20 GiB". */
struct number_text number_mib(double bytes);

#endif
