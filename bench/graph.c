/* SPDX-License-Identifier: MIT */
/*
 * graph NODES ROUNDS SEED: a graph whose nodes grow: each has an array of edges that is
 * doubled when it is full. In each round every node gets an edge on average, one in eight
 * is deleted and made anew, and a path is walked along the edges. The blocks are small,
 * live for very different times and are resized in random order: networks, scenes, indexes.
 *
 * NODES   of the graph
 * ROUNDS  of additions, deletions and a walk. A malloc, a realloc or a free is an
 *         operation.
 */
#include "bench.h"

enum { FIRST_EDGES = 2, DELETED = 8, WALKED = 4 };

struct node {
    uint64_t visits;
    uint32_t degree, capacity;
    uint32_t *edge; /* numbers of nodes */
};

static struct node **node;
static uint32_t nodes, state;
static uint64_t operations;

static void make(uint32_t number)
{
    node[number] = bench_malloc(sizeof **node);
    *node[number] = (struct node){.edge = bench_malloc(FIRST_EDGES * sizeof(uint32_t)),
                                  .capacity = FIRST_EDGES};
    operations += 2;
}

static void unmake(uint32_t number)
{
    free(node[number]->edge);
    free(node[number]);
    operations += 2;
}

static void connect(struct node *from, uint32_t to)
{
    if (from->degree == from->capacity) {
        from->capacity *= 2;
        from->edge = realloc(from->edge, from->capacity * sizeof *from->edge);
        if (from->edge == NULL)
            bench_fail("out of memory");
        operations++;
    }
    from->edge[from->degree++] = to;
}

/* Steps from node to node; from one without edges it goes on anywhere. */
static uint64_t walk(uint32_t steps)
{
    uint64_t sum = 0;
    uint32_t at = bench_below(&state, nodes);
    for (uint32_t i = 0; i < steps; i++) {
        struct node *here = node[at];
        sum += ++here->visits;
        at = here->degree > 0 ? here->edge[bench_below(&state, here->degree)]
                              : bench_below(&state, nodes);
        if (at >= nodes)
            bench_fail("an edge is not what was written");
    }
    return sum;
}

static void pass(void)
{
    for (uint32_t i = 0; i < nodes; i++)
        connect(node[bench_below(&state, nodes)], i);
    for (uint32_t i = 0; i < nodes / DELETED; i++) {
        uint32_t number = bench_below(&state, nodes);
        unmake(number);
        make(number);
    }
    if (walk(nodes / WALKED) == 0)
        bench_fail("nodes forget that they were visited");
}

int main(int argc, char **argv)
{
    static const char usage[] = "usage: graph NODES ROUNDS SEED\ne.g.   graph 200000 20 42\n";
    bench_help(argc, argv, usage, 3, 3);
    nodes = (uint32_t)bench_number(argv[1], WALKED, 1 << 30, "NODES");
    uint64_t rounds = bench_number(argv[2], 1, 1 << 30, "ROUNDS");
    state = bench_seed((uint32_t)bench_number(argv[3], 0, UINT32_MAX, "SEED"), 0);
    node = bench_table(nodes, sizeof *node);
    double start = bench_now();
    for (uint32_t i = 0; i < nodes; i++)
        make(i);
    for (uint64_t i = 0; i < rounds; i++)
        pass();
    for (uint32_t i = 0; i < nodes; i++)
        unmake(i);
    bench_report((double)operations, bench_now() - start);
    free(node);
    return 0;
}
