/* SPDX-License-Identifier: MIT */
/*
 * intent: a vector of matrices that says what it needs: zeros, an alignment, all the bytes that a
 * block has anyway, and what it frees.
 *
 *     cc intent.c $(pkg-config --cflags --libs hakmem)
 */
#include <hakmem/hakmem.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { CACHE_LINE = 64 };

struct matrix {
    double value[4][4];
};

struct vector {
    struct matrix *matrix;
    size_t bytes; /* of the block, as it was asked for */
};

/* Makes room for count matrices, all zero, each at a cache line of its own. */
static int vector_make(struct vector *vector, size_t count)
{
    /* a block of this size costs no more than one of the smaller size */
    vector->bytes = hak_good_size(count * sizeof(struct matrix));
    vector->matrix = hak_alloc(vector->bytes, HAK_ALLOC_ZERO | hak_alloc_align(CACHE_LINE));
    return vector->matrix != NULL ? 0 : -1;
}

static size_t vector_room(const struct vector *vector)
{
    return vector->bytes / sizeof(struct matrix);
}

/* Who knows what a block was allocated with says so: it is checked, where there are checks. */
static void vector_destroy(struct vector *vector)
{
    hak_free_aligned_sized(vector->matrix, CACHE_LINE, vector->bytes);
}

int main(void)
{
    struct vector vector;
    if (vector_make(&vector, 1001) != 0) {
        perror("vector");
        return EXIT_FAILURE;
    }
    const struct matrix *last = &vector.matrix[vector_room(&vector) - 1];
    printf("room for %zu matrices where 1001 were asked for\n", vector_room(&vector));
    printf("the last one: %g, %zu bytes past a cache line\n", last->value[3][3],
           (size_t)((uintptr_t)last % CACHE_LINE));
    vector_destroy(&vector);
    return EXIT_SUCCESS;
}
