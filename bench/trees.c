/* SPDX-License-Identifier: MIT */
/*
 * trees DEPTH ROUNDS: binary trees of small nodes, built from the leaves up, walked and
 * freed, with one that lives all the time: what compilers, parsers and databases in memory
 * do, after the "binary-trees" of the Computer Language Benchmarks Game.
 *
 * DEPTH   of the tree that lives and of the largest that come and go; it has
 *         2^(DEPTH + 1) - 1 nodes
 * ROUNDS  the first builds one tree of DEPTH, the next 4 of DEPTH - 2, then 16 and 64,
 *         then one again. A malloc of a node is an operation, and its free.
 */
#include "bench.h"

enum { STEPS = 4 }; /* of depth, by two levels */

struct node {
    struct node *left, *right;
    uint64_t value;
};

static uint64_t nodes; /* of which there were so many in all */

static struct node *build(uint64_t depth, uint64_t value)
{
    struct node *left = NULL, *right = NULL;
    if (depth > 0) {
        left = build(depth - 1, 2 * value);
        right = build(depth - 1, 2 * value + 1);
    }
    struct node *node = bench_malloc(sizeof *node);
    *node = (struct node){.left = left, .right = right, .value = value};
    nodes++;
    return node;
}

static uint64_t walk(const struct node *node)
{
    return node == NULL ? 0 : node->value + walk(node->left) + walk(node->right);
}

static void drop(struct node *node)
{
    if (node == NULL)
        return;
    drop(node->left);
    drop(node->right);
    free(node);
}

/* The nodes of a tree whose root is 1 have the values from 1. */
static void check(const struct node *tree, uint64_t depth)
{
    uint64_t count = (UINT64_C(2) << depth) - 1;
    if (walk(tree) != count * (count + 1) / 2)
        bench_fail("a tree is not what was built");
}

int main(int argc, char **argv)
{
    static const char usage[] = "usage: trees DEPTH ROUNDS\ne.g.   trees 16 40\n";
    bench_help(argc, argv, usage, 2, 2);
    uint64_t most = bench_number(argv[1], 2 * (STEPS - 1), 30, "DEPTH");
    uint64_t rounds = bench_number(argv[2], 1, 1 << 30, "ROUNDS");
    double start = bench_now();
    struct node *living = build(most, 1);
    for (uint64_t i = 0; i < rounds; i++) {
        uint64_t step = i % STEPS;
        for (uint64_t j = 0; j < UINT64_C(1) << 2 * step; j++) {
            struct node *tree = build(most - 2 * step, 1);
            check(tree, most - 2 * step);
            drop(tree);
        }
    }
    check(living, most);
    drop(living);
    bench_report((double)nodes * 2, bench_now() - start);
    return 0;
}
