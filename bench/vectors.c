/* SPDX-License-Identifier: MIT */
/*
 * vectors COUNT SEED [LARGEST]: arrays that grow at their end through realloc, by the
 * factors 2 and 1.5 in turn, as the vectors and lists of all languages do. What counts is
 * how often an array must move and how much of it is copied then.
 *
 * COUNT    of vectors of 8-byte elements, of which 8 grow side by side. They end at random
 *          sizes up to 4 MiB, each power of two as likely as another. All elements are
 *          written and, at the end, read.
 * LARGEST  instead: each grows alone, by 1.5, to exactly this many bytes, and a word of
 *          each cache line is written and read
 *
 * A realloc is an operation, and a free.
 */
#include "bench.h"

enum { BESIDE = 8, CHUNK = 64, LINE = 8, SMALLEST = 64, OCTAVES = 16 };

struct vector {
    uint64_t *element;
    size_t length, capacity, end; /* in elements */
    bool doubled;
};

static uint64_t operations;

static void reserve(struct vector *vector, size_t capacity)
{
    vector->element = realloc(vector->element, capacity * sizeof *vector->element);
    if (vector->element == NULL)
        bench_fail("out of memory");
    vector->capacity = capacity;
    operations++;
}

static void push(struct vector *vector, uint64_t value)
{
    if (vector->length == vector->capacity) {
        size_t more = vector->doubled ? vector->capacity : (vector->capacity + 1) / 2;
        reserve(vector, vector->capacity + (more > 0 ? more : 1));
    }
    vector->element[vector->length++] = value;
}

/* Checks every so many elements, which hold their numbers, and frees the vector. */
static void finish(struct vector *vector, size_t step)
{
    uint64_t wrong = 0;
    for (size_t i = 0; i < vector->length; i += step)
        wrong |= vector->element[i] ^ i;
    if (wrong != 0)
        bench_fail("a vector is not what was written");
    free(vector->element);
    operations++;
}

static void grow_together(uint32_t *state)
{
    struct vector vector[BESIDE] = {{.length = 0}};
    for (size_t i = 0; i < BESIDE; i++) {
        vector[i].end = bench_octaves(state, SMALLEST, OCTAVES) / sizeof(uint64_t);
        vector[i].doubled = i % 2 == 0;
    }
    for (bool growing = true; growing;) {
        growing = false;
        for (size_t i = 0; i < BESIDE; i++) {
            struct vector *one = &vector[i];
            size_t end = one->length + CHUNK < one->end ? one->length + CHUNK : one->end;
            while (one->length < end)
                push(one, one->length);
            growing |= one->length < one->end;
        }
    }
    for (size_t i = 0; i < BESIDE; i++)
        finish(&vector[i], 1);
}

static void grow_alone(size_t largest)
{
    struct vector vector = {.length = 0};
    while (vector.capacity < largest) {
        size_t larger = vector.capacity + vector.capacity / 2 + LINE;
        reserve(&vector, larger < largest ? larger : largest);
        for (; vector.length < vector.capacity; vector.length += LINE)
            vector.element[vector.length] = vector.length;
    }
    finish(&vector, LINE);
}

int main(int argc, char **argv)
{
    static const char usage[] = "usage: vectors COUNT SEED [LARGEST]\ne.g.   vectors 2000 42\n";
    bench_help(argc, argv, usage, 2, 3);
    uint64_t count = bench_number(argv[1], 1, 1 << 30, "COUNT");
    uint32_t state = bench_seed((uint32_t)bench_number(argv[2], 0, UINT32_MAX, "SEED"), 0);
    size_t largest =
        argc > 3 ? (size_t)bench_number(argv[3], 4096, UINT64_C(1) << 40, "LARGEST") : 0;
    double start = bench_now();
    if (largest > 0)
        for (uint64_t i = 0; i < count; i++)
            grow_alone(largest / sizeof(uint64_t));
    else
        for (uint64_t i = 0; i < count; i += BESIDE)
            grow_together(&state);
    bench_report((double)operations, bench_now() - start);
    return 0;
}
