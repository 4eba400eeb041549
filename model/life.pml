/* SPDX-License-Identifier: MIT */
/*
 * One slab's life among threads: a heap has handed out its blocks and ends, another heap of the
 * class adopts it, a third would take its slot for another class, and two
 * threads that only free push the blocks back. So adoption of an orphan races
 * with remote frees, the release of an empty slab with a push, and the end of a
 * thread with both. freelist.pml has the list itself; here a free block is a
 * number.
 *
 * A slab has one holder at most, who finds the class it wanted; it is given back
 * once, with all its blocks; at rest nothing is stranded: a slab with blocks out
 * and free ones is shown, one without blocks out is given back.
 *
 * Negative controls:
 *   NO_CLASS      a claim compares the state alone
 *   CLAIM_APART   the push that empties looks and claims in two steps
 *   LET_GO_BLIND  a heap that ends writes what it decided on an old word
 *   HINT_FIRST    the slab is shown before it is made PARTIAL
 */
#define CAP 2
#define TAGS 4

mtype:state = { UNUSED, CLAIMED, CURRENT, OWNED, PARTIAL, FULL };

/* the word; free blocks as a number */
mtype:state state = CURRENT;
byte nfree = 0, carved = CAP, class = 1, tag = 0;

bool hint[3];       /* by class */
bool used = true;   /* the slot */
byte out = CAP;     /* blocks with the program */
byte holders = 1, claims = 0;
byte heap_of = 0;   /* that made the slab OWNED */

#define LOAD d_step { s = state; f = nfree; c = carved; k = class; t = tag }
#define SAME (s == state && f == nfree && c == carved && k == class && t == tag)
#define BUMP tag = (tag + 1) % TAGS

/* C: lib/slab/shared_pool.c hak__pool_release */
/* C: lib/slab/slab_freelist_atomic.h slab_freelist_end */
inline release()
{
    assert(claims == 1 && state == CLAIMED && nfree == carved && out == 0);
    atomic { state = UNUSED; nfree = 0; carved = 0; BUMP; claims-- }
    used = false
}

/* C: lib/slab/slab_freelist_atomic.h slab_freelist_push_chain */
/* C: lib/cache/flush.c push */
inline push_one(when_full)
{
    emptied = false; was_full = false;
    LOAD;
    do
    :: true ->
        assert(f < c && s != UNUSED && s != CLAIMED);
#ifdef HINT_FIRST
        if :: s == FULL && c > 1 -> hint[k] = true :: else fi;
#endif
        atomic {
            if
            :: SAME ->
                nfree = f + 1; was_full = (s == FULL);
#ifdef CLAIM_APART
                if :: s == FULL -> state = when_full; BUMP :: else fi;
#else
                if
                :: s != CURRENT && nfree == c -> state = CLAIMED; BUMP; claims++; emptied = true
                :: s == FULL && nfree != c -> state = when_full; BUMP; heap_of = me
                :: else
                fi;
#endif
                t = tag;
                break
            :: else -> LOAD
            fi
        }
    od;
#ifdef CLAIM_APART
    if
    :: state != CURRENT && nfree == carved -> atomic { state = CLAIMED; claims++; emptied = true }
    :: else
    fi;
#endif
    if
    :: emptied -> release()
    :: !emptied && was_full && when_full == PARTIAL ->
#ifndef HINT_FIRST
        hint[k] = true
#else
        skip
#endif
    :: !emptied && was_full && when_full == OWNED -> remembered = true; l0_tag = t
    :: else
    fi
}

/* C: lib/slab/slab_freelist_atomic.h slab_freelist_claim */
inline claim(from, with_tag)
{
    LOAD;
    do
    :: s != from || (with_tag && t != l0_tag) -> break
#ifndef NO_CLASS
    :: s == from && k != wanted -> break
#endif
    :: else ->
        atomic {
            if
            :: SAME ->
                state = CURRENT; BUMP; holders++; holding = true;
                assert(holders == 1 && class == wanted);
                assert(from != OWNED || heap_of == me);
                break
            :: else -> LOAD
            fi
        }
    od
}

/* C: lib/slab/shared_pool.c hak__pool_acquire begin_life */
/* C: lib/slab/superslab_partial.c claim_from */
/* C: lib/slab/superslab.c take_from */
/* C: lib/slab/slab_freelist_atomic.h slab_freelist_begin */
inline acquire()
{
    atomic { got = !used; if :: got -> used = true :: else fi }
    if
    :: got ->
        assert(state == UNUSED && claims == 0);
        atomic { state = CURRENT; class = wanted; BUMP; holders++; holding = true }
    :: else ->
        atomic { got = hint[wanted]; hint[wanted] = false }
        if :: got -> claim(PARTIAL, false) :: else fi
    fi
}

/* C: lib/slab/slab_freelist_atomic.h slab_freelist_pop_batch slab_freelist_carve */
/* C: lib/slab/slab_freelist_atomic.h slab_freelist_retire */
/* C: lib/cache/refill.c hak__cache_refill */
inline take_block()
{
    LOAD;
    do
    :: true ->
        assert(s == CURRENT && k == wanted);
        atomic {
            if
            :: SAME && f > 0 -> nfree = f - 1; out++; break
            :: SAME && f == 0 && c < CAP -> carved = c + 1; out++; break
            :: SAME && f == 0 && c == CAP -> state = FULL; BUMP; holders--; holding = false; break
            :: else -> LOAD
            fi
        }
    od
}

/* C: lib/slab/slab_freelist_atomic.h slab_freelist_let_go */
/* C: lib/slab/shared_pool.c hak__pool_abandon */
/* C: lib/cache/heap_flush.c abandon_all abandon_spare */
inline let_go()
{
    emptied = false;
    LOAD;
    do
    :: true ->
        if
        :: f == c -> s2 = CLAIMED
        :: f == 0 && c == CAP -> s2 = FULL
        :: else -> s2 = PARTIAL
        fi;
        atomic {
            if
#ifdef LET_GO_BLIND
            :: true ->
#else
            :: SAME ->
#endif
                state = s2; BUMP; holders--; holding = false;
                if :: s2 == CLAIMED -> claims++; emptied = true :: else fi;
                break
#ifndef LET_GO_BLIND
            :: else -> LOAD
#endif
            fi
        }
    od;
    if
    :: emptied -> release()
    :: s2 == PARTIAL -> hint[k] = true
    :: else
    fi
}

proctype heap(byte me; byte wanted; byte rounds)
{
    mtype:state s, s2;
    byte f, c, k, t, l0_tag;
    bool holding = (me == 1), got, emptied, was_full, remembered;
    do
    :: rounds > 0 ->
        rounds--;
        if
        :: holding -> take_block()
        :: !holding && remembered ->
            remembered = false;
            claim(OWNED, true)
        :: !holding && !remembered -> acquire()
        :: true ->
            atomic { got = (out > 0 && class == wanted); if :: got -> out-- :: else fi }
            /* a slab that becomes FULL meanwhile is not remembered either */
            if :: got -> push_one(PARTIAL)
               :: got && !remembered -> push_one(OWNED)
               :: else
            fi
        fi
    :: else -> break
    od;
    /* the thread ends: C: lib/cache/heap_flush.c hak__heap_flush */
    if :: holding -> let_go() :: else fi;
    if :: remembered -> claim(OWNED, true) :: else fi;
    if :: holding -> let_go() :: else fi
}

/* A thread that only frees; it waits for blocks until there will be none any more. */
proctype freer()
{
    mtype:state s;
    byte f, c, k, t, l0_tag, me = 9;
    bool got, emptied, was_full, remembered;
    do
    :: atomic { out > 0 -> out-- }
        push_one(PARTIAL)
    :: true -> break
    od
}

init {
    atomic { run heap(1, 1, 3); run heap(2, 1, 1); run heap(3, 2, 2); run freer(); run freer() }
    _nr_pr == 1;
    assert(holders == 0 && claims == 0 && state != CURRENT && state != CLAIMED);
    assert(state != OWNED);
    assert(carved - nfree == out);
    assert(used == (state != UNUSED));
    assert(state != PARTIAL || hint[class]);
    assert(out > 0 || state == UNUSED)
}
