/* SPDX-License-Identifier: MIT */
/*
 * Looking at a slab's blocks while it ends a life and begins another (lib/cache/inspect.h).
 *
 * A reader who finds the count of lives unchanged and the slab in use has seen a word and blocks
 * of one life. Lives are numbers here, in the word and in what the program writes. Processes see
 * stores in the order of the steps; what a machine may show earlier unless something keeps it back
 * is written earlier in the negative controls.
 *
 * Negative controls:
 *   NO_COUNT    the reader looks at the word alone
 *   NO_FENCE    what a life stores is seen before its count
 *   NO_RELEASE  the count is seen before the last life has ended
 *   NO_ACQUIRE  the first word is read later than anything else
 */
#define LIVES 3
#define UNUSED 0

byte count = 1, word = 1, block[2] = 1;

/* C: lib/slab/slab_freelist_atomic.h slab_freelist_end */
inline end_life() { word = UNUSED }

/* C: lib/slab/slab_freelist_atomic.h slab_freelist_begin */
/* The program writes its blocks sooner or later, or never. */
inline serve()
{
    word = life;
    if :: block[0] = life :: skip fi;
    if :: block[1] = life :: skip fi
}

/* C: lib/slab/shared_pool.c begin_life */
proctype slab()
{
    byte life = 1;
    do
    :: life < LIVES ->
        life++;
#ifdef NO_RELEASE
        count = life; end_life(); serve()
#else
#ifdef NO_FENCE
        end_life(); serve(); count = life
#else
        end_life(); count = life; serve()
#endif
#endif
    :: else -> break
    od
}

/* C: lib/cache/inspect.c inspect_slab_locked */
proctype reader()
{
    byte life, before, first, second, after, last;
    life = count;
#ifndef NO_ACQUIRE
    before = word;
#endif
    first = block[0];
    second = block[1];
    after = word;
    last = count;
#ifdef NO_ACQUIRE
    before = word;
#endif
    if
#ifdef NO_COUNT
    :: before != UNUSED && after != UNUSED ->
#else
    :: before != UNUSED && after != UNUSED && last == life ->
#endif
        assert(before == life && after == life && first <= life && second <= life)
    :: else
    fi
}

init { atomic { run slab(); run reader() } }
