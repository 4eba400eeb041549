/* SPDX-License-Identifier: MIT */
/*
 * Holes in a slab that is shown: somebody claims it, takes its list, returns pages and gives back
 * what is left, while a heap looks for a slab of the class and a thread frees its blocks. life.pml
 * has the rest of a slab's life; here it is small: free blocks are numbers, on the list or in holes.
 *
 * A block is in one place: out, on the list, in a hole, or in the hands of who makes holes. The slab
 * is given back once, with all its blocks, and at rest it is shown or given back.
 *
 * Negative controls:
 *   HOLES_LISTED  a pop takes blocks in holes for blocks of the list
 *   UNCLAIMED     the list is taken from a slab that is shown, without claiming it
 *   HOLES_LOST    blocks in holes are not counted among the free ones
 */
#define CAP 3

mtype:state = { UNUSED, CLAIMED, CURRENT, PARTIAL, FULL };

/* the word */
mtype:state state = PARTIAL;
byte nfree = 1, tag = 0;

byte holes = 0;      /* by the holder */
bool hint = true;
byte out = CAP - 1, held = 0, holders = 0, claims = 0;

#define LOAD d_step { s = state; f = nfree; t = tag }
#define SAME (s == state && f == nfree && t == tag)

inline release()
{
    assert(claims == 1 && state == CLAIMED && nfree == CAP && out == 0 && held == 0);
    atomic { state = UNUSED; nfree = 0; holes = 0; tag++; claims-- }
}

/* C: lib/slab/slab_freelist_atomic.h slab_freelist_claim */
inline claim()
{
    LOAD;
    do
    :: s != PARTIAL -> break
    :: else ->
        atomic {
            if
            :: SAME -> state = CURRENT; tag++; holders++; holding = true; assert(holders == 1); break
            :: else -> LOAD
            fi
        }
    od
}

/* C: lib/slab/shared_pool.c hak__pool_abandon */
/* C: lib/slab/slab_freelist_atomic.h slab_freelist_let_go */
inline let_go()
{
    LOAD;
    do
    :: true ->
        atomic {
            if
            :: SAME ->
                tag++; holders--; holding = false;
                if
                :: f == CAP -> state = CLAIMED; claims++
                :: f == 0 -> state = FULL
                :: else -> state = PARTIAL
                fi;
                s = state;
                break
            :: else -> LOAD
            fi
        }
    od;
    if
    :: s == CLAIMED -> release()
    :: s == PARTIAL -> hint = true
    :: else
    fi
}

/* C: lib/slab/slab_freelist_atomic.h slab_freelist_pop_batch slab_freelist_take_holes */
/* C: lib/slab/slab_freelist_atomic.h slab_freelist_retire */
/* C: lib/slab/slab_holes.c hak__holes_take */
/* C: lib/cache/refill.c take fill */
inline take_block()
{
    LOAD;
    do
    :: true ->
        atomic {
            if
#ifdef HOLES_LISTED
            :: SAME && f > 0 -> assert(f > holes); nfree = f - 1; out++; break
#else
            :: SAME && f > holes -> nfree = f - 1; out++; break
            :: SAME && f > 0 && f == holes -> holes--; nfree = f - 1; out++; break
#endif
            :: SAME && f == 0 -> state = FULL; tag++; holders--; holding = false; break
            :: else -> LOAD
            fi
        }
    od
}

/* C: lib/slab/slab_freelist_atomic.h slab_freelist_push_chain */
inline push_one()
{
    LOAD;
    do
    :: true ->
        assert(s != UNUSED && s != CLAIMED && f < CAP);
        atomic {
            if
            :: SAME ->
                nfree = f + 1;
                if
                :: s != CURRENT && nfree == CAP -> state = CLAIMED; tag++; claims++
                :: s == FULL && nfree != CAP -> state = PARTIAL; tag++
                :: else
                fi;
                break
            :: else -> LOAD
            fi
        }
    od;
    if
    :: s != CURRENT && f + 1 == CAP -> release()
    :: s == FULL && f + 1 != CAP -> hint = true
    :: else
    fi
}

/* C: lib/slab/slab_holes.c purge_slab make_holes take_list give_list */
/* C: lib/slab/slab_freelist_atomic.h slab_freelist_take_all slab_freelist_give_back */
proctype purger(byte rounds)
{
    mtype:state s;
    byte f, t, taken, more;
    bool holding;
    do
    :: rounds > 0 ->
        rounds--;
#ifdef UNCLAIMED
        holding = (state == PARTIAL);
#else
        claim();
#endif
        if
        :: holding ->
            LOAD;
            do
            :: true ->
                atomic {
                    if
                    :: SAME -> taken = f - holes; nfree = holes; held = held + taken; break
                    :: else -> LOAD
                    fi
                }
            od;
            if
            :: more = 0
            :: taken > 0 -> more = 1
            :: more = taken
            fi;
            holes = holes + more;
            LOAD;
            do
            :: true ->
                atomic {
                    if
#ifdef HOLES_LOST
                    :: SAME -> nfree = f + taken - more; held = held - taken; break
#else
                    :: SAME -> nfree = f + taken; held = held - taken; break
#endif
                    :: else -> LOAD
                    fi
                }
            od;
#ifdef UNCLAIMED
            holding = false
#else
            let_go()
#endif
        :: else
        fi
    :: else -> break
    od
}

/* C: lib/slab/shared_pool.c hak__pool_acquire */
proctype heap(byte rounds)
{
    mtype:state s;
    byte f, t;
    bool holding, got;
    do
    :: rounds > 0 ->
        rounds--;
        if
        :: holding -> take_block()
        :: !holding ->
            atomic { got = hint; hint = false }
            if :: got -> claim() :: else fi
        :: true ->
            atomic { got = (out > 0); if :: got -> out-- :: else fi }
            if :: got -> push_one() :: else fi
        fi
    :: else -> break
    od;
    if :: holding -> let_go() :: else fi
}

proctype freer()
{
    mtype:state s;
    byte f, t;
    do
    :: atomic { out > 0 -> out-- } push_one()
    :: true -> break
    od
}

init {
    atomic { run heap(4); run freer(); run purger(2) }
    _nr_pr == 1;
    assert(holders == 0 && claims == 0 && held == 0 && state != CURRENT && state != CLAIMED);
    assert(state == UNUSED || CAP - nfree == out);
    assert(holes <= nfree);
    assert(state != PARTIAL || hint);
    assert(out > 0 || state == UNUSED)
}
