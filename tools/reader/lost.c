/* SPDX-License-Identifier: MIT */
#include "reader/lost.h"

/*
 * Two rounds. In the first, from the largest block to the smallest, each block to which nothing has led yet is a
 * first one; of blocks that lead to each other that is the largest. All blocks are reached then, but a first one
 * may be reached from one that came later. A block that leads to it and that no other leads to came later, too,
 * or it would have been reached before its turn. So in the second round, backwards through the first ones alone,
 * that block has its turn before, and what is reached at its turn is no first one.
 *
 * The process runs meanwhile, perhaps. What was reached in the first round and is not in the second, since a word has
 * changed or cannot be read any more, comes last, as first ones: each lost block is shown once, whatever changes.
 */

struct round {
    struct reach *reach;
    bool is_kept;
    size_t kept; /* the slab that was kept last */
    uint64_t first; /* the number of the block that is followed */
    lost_visit *visit;
    void *context;
};

static void follow(struct round *round, const struct live_block *block)
{
    if (!block->is_single && (!round->is_kept || round->kept != block->owner)) {
        round->is_kept = true;
        round->kept = block->owner;
        reach_keep(round->reach, block);
    }
    reach_block(round->reach, block);
    reach_all(round->reach);
}

static bool begin(struct live *live, const struct live_block *block, void *context)
{
    if (live_has(live, LIVE_REACHED, block->number))
        return true;
    live_set(live, LIVE_FIRST, block->number);
    follow(context, block);
    return true;
}

static bool decide(struct live *live, const struct live_block *block, void *context)
{
    struct round *round = context;
    if (live_has(live, LIVE_REACHED, block->number)) {
        live_unset(live, LIVE_FIRST, block->number);
        return true;
    }
    round->first = block->number;
    round->visit(block, true, round->context);
    follow(round, block);
    return true;
}

static bool add_left(struct live *live, const struct live_block *block, void *context)
{
    if (!live_has(live, LIVE_REACHED, block->number)) {
        live_set(live, LIVE_FIRST, block->number);
        decide(live, block, context);
    }
    return true;
}

static void show(const struct live_block *block, void *context)
{
    const struct round *round = context;
    if (block->number != round->first)
        round->visit(block, false, round->context);
}

bool lost_find_first(struct reach *reach, lost_visit *visit, void *context)
{
    struct live *live = reach->live;
    struct round round = {.reach = reach, .visit = visit, .context = context};
    struct live_order order;
    if (!live_order(live, LIVE_WANTED, &order))
        return false;
    live_unset_all(live, LIVE_FIRST);
    live_unset_all(live, LIVE_REACHED);
    live_unset_all(live, LIVE_SEARCHED);
    live_each_in_order(live, &order, LIVE_WANTED, false, begin, &round);
    live_unset_all(live, LIVE_REACHED);
    live_unset_all(live, LIVE_SEARCHED);
    round.is_kept = false;
    reach->visit = show;
    reach->context = &round;
    live_each_in_order(live, &order, LIVE_FIRST, true, decide, &round);
    live_each_in_order(live, &order, LIVE_WANTED, false, add_left, &round);
    reach->visit = NULL;
    live_order_free(&order);
    return true;
}
