/* SPDX-License-Identifier: MIT */
/* Structures that are lost, and structures that one odd pointer keeps. */
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cases.h"

struct node {
    struct node *left, *right;
    char text[40];
};

static void *volatile kept;

static void lose_one(void)
{
    lost(DIRECT, block(100));
}

static void lose_list(void)
{
    struct node *list = NULL;
    for (int i = 0; i < 10; i++) {
        struct node *node = lost(i == 9 ? DIRECT : INDIRECT, block(sizeof *node));
        node->right = list;
        list = node;
    }
}

static struct node *tree(int depth, enum verdict verdict)
{
    if (depth == 0)
        return NULL;
    struct node *node = lost(verdict, block(sizeof *node));
    node->left = tree(depth - 1, INDIRECT);
    node->right = tree(depth - 1, INDIRECT);
    return node;
}

static void lose_tree(void)
{
    tree(6, DIRECT);
}

static void lose_part(void)
{
    struct node *node = block(sizeof *node);
    node->left = block(10);
    node->right = tree(3, DIRECT);
    node->right = NULL;
    kept = node;
}

static struct node *ring(int count)
{
    struct node *first = NULL, *last = NULL;
    for (int i = 0; i < count; i++) {
        struct node *node = lost(RING, block(sizeof *node));
        node->left = last;
        if (last != NULL)
            last->right = node;
        else
            first = node;
        last = node;
    }
    last->right = first;
    first->left = last;
    return first;
}

static void lose_ring(void)
{
    ring(5);
}

/* The largest block is direct, of equal ones that with the lowest address. */
static void lose_ring_of(const size_t *sizes, size_t count)
{
    void *links[4];
    size_t direct = 0;
    for (size_t i = 0; i < count; i++) {
        links[i] = block(sizes[i]);
        if (sizes[i] > sizes[direct] ||
            (sizes[i] == sizes[direct] && (uintptr_t)links[i] < (uintptr_t)links[direct]))
            direct = i;
    }
    for (size_t i = 0; i < count; i++)
        *(void **)lost(i == direct ? DIRECT : INDIRECT, links[i]) = links[(i + 1) % count];
}

static void lose_rings_of_sizes(void)
{
    static const size_t sizes[][4] = {{40, 1000, 200000, 64}, {24, 3000, 200, 500}, {3000, 24, 600, 40},
                                      {300000, 400000, 40, 300000}, {80, 80, 80, 80}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        lose_ring_of(sizes[i], 4);
}

/* What reaches a ring is direct, and the ring then is not. */
static void lose_ring_with_tail(void)
{
    struct node *first = block(sizeof *first), *second = block(sizeof *second);
    first->left = lost(INDIRECT, second);
    second->left = lost(INDIRECT, first);
    second->right = lost(INDIRECT, block(24));
    struct node *handle = lost(DIRECT, block(64));
    handle->right = second;
}

static void lose_self(void)
{
    struct node *node = lost(DIRECT, block(sizeof *node));
    node->left = node;
}

static void keep_ring(void)
{
    struct node *first = block(sizeof *first), *second = block(sizeof *second);
    first->left = second;
    second->left = first;
    kept = first;
}

/* each block has the address of a byte amid the next one only */
static void keep_by_interior(void)
{
    char *next = NULL;
    for (int i = 0; i < 10; i++) {
        char **link = block(100 + 1000 * (size_t)i);
        *link = next;
        next = (char *)link + 50 + i;
    }
    kept = next;
}

static void keep_by_last_byte(void)
{
    for (int i = 0; i < 3; i++) {
        char **links = block(80);
        *links = kept;
        kept = (char *)links + malloc_usable_size(links) - 1;
    }
}

/* the address of what follows a block is none of the block */
static void lose_past_end(void)
{
    char *before = lost(DIRECT, block(80));
    kept = before + malloc_usable_size(before);
}

/* in the last word that the program may use, and at the end of the last page of a large one */
static void keep_in_last_word(void)
{
    static const size_t sizes[] = {24, 1000, 65536, 300000, 5000000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        void **links = block(sizes[i] & ~(size_t)7);
        links[sizes[i] / 8 - 1] = kept;
        kept = links;
    }
}

static void lose_inverted(void)
{
    uintptr_t *holder = block(16);
    *holder = ~(uintptr_t)lost(DIRECT, block(64));
    kept = holder;
}

/* bytes that are no word of memory, as in a packed structure, are no pointer */
static void lose_unaligned(void)
{
    void *pointer = lost(DIRECT, block(64));
    char *bytes = block(16);
    memcpy(bytes + 4, &pointer, sizeof pointer);
    kept = bytes;
}

const struct leak_case shape_cases[] = {
    {"block", lose_one, NULL, "a block is lost"},
    {"list", lose_list, NULL, "a list of 10 is lost"},
    {"tree", lose_tree, NULL, "a tree of 63 is lost"},
    {"branch", lose_part, NULL, "a branch of a structure is lost"},
    {"ring", lose_ring, NULL, "a ring of 5 is lost"},
    {"ring-sizes", lose_rings_of_sizes, NULL, "rings are lost, of each of which the largest block is direct"},
    {"ring-tail", lose_ring_with_tail, NULL, "a block that leads to a ring is lost"},
    {"self", lose_self, NULL, "a block that points to itself is lost"},
    {"ring-kept", keep_ring, NULL, "a ring is kept"},
    {"interior", keep_by_interior, NULL, "a list is kept by pointers to the middle of each"},
    {"last-byte", keep_by_last_byte, NULL, "blocks are kept by pointers to their last byte"},
    {"past-end", lose_past_end, NULL, "a pointer to what follows a block does not keep it"},
    {"last-word", keep_in_last_word, NULL, "the pointers are in the last words of blocks"},
    {"inverted", lose_inverted, NULL, "an inverted pointer does not keep a block"},
    {"unaligned", lose_unaligned, NULL, "a pointer across two words does not keep a block"},
    {NULL, NULL, NULL, NULL},
};
