/* SPDX-License-Identifier: MIT */
#include "reader/edges.h"

#include <stdlib.h>
#include <string.h>

struct edges *edges_new(struct live *live, uint64_t room)
{
    struct edges *edges = calloc(1, sizeof *edges);
    if (edges == NULL)
        return NULL;
    *edges = (struct edges){.live = live, .room = room < UINT32_MAX ? room : UINT32_MAX};
    edges->first = malloc(live->room / 64 * sizeof *edges->first);
    edges->edge = malloc(edges->room * sizeof *edges->edge); /* of which pages that are used take memory */
    if (edges->first == NULL || edges->edge == NULL) {
        edges_free(edges);
        return NULL;
    }
    return edges;
}

void edges_free(struct edges *edges)
{
    if (edges == NULL)
        return;
    free(edges->first);
    free(edges->edge);
    free(edges);
}

void edges_begin(struct edges_slab *of, uint64_t first)
{
    of->first = first;
    of->count = 0;
    memset(of->has, 0, sizeof of->has);
}

void edges_add(struct edges_slab *of, uint64_t from, uint64_t to)
{
    uint64_t index = from - of->first, bit = (uint64_t)1 << (index % 64), *has = &of->has[index / 64];
    if (*has == 0)
        of->start[index / 64] = of->count;
    of->edge[of->count++] = (uint32_t)to | ((*has & bit) == 0 ? EDGES_FIRST : 0);
    *has |= bit;
}

void edges_end(struct edges *edges, struct edges_slab *of)
{
    if (of->count == 0)
        return;
    of->edge[of->count++] = EDGES_FIRST;
    uint64_t at = __atomic_fetch_add(&edges->count, of->count, __ATOMIC_RELAXED);
    if (at + of->count > edges->room)
        return;
    memcpy(edges->edge + at, of->edge, of->count * sizeof *of->edge);
    for (size_t i = 0; i < EDGES_BLOCKS / 64; i++) {
        if (of->has[i] == 0)
            continue;
        edges->first[of->first / 64 + i] = (uint32_t)(at + of->start[i]);
        __atomic_store_n(&edges->live->bits[LIVE_KNOWN][of->first / 64 + i], of->has[i], __ATOMIC_RELEASE);
    }
}

const uint32_t *edges_of(const struct edges *edges, uint64_t number)
{
    const uint32_t *edge = &edges->edge[edges->first[number / 64]];
    uint64_t before = edges_known(edges, number) & (((uint64_t)1 << (number % 64)) - 1);
    for (int blocks = __builtin_popcountll(before); blocks > 0; edge++)
        blocks -= edges_is_first(edge[1]);
    return edge;
}
