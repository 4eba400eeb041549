/* SPDX-License-Identifier: MIT */
/*
 * The freelist word: one holder of CURRENT carves, pops, takes all and retires,
 * while others push chains of blocks back; the push that empties a slab that is
 * not CURRENT claims it and gives it back.
 *
 * Each block is always in exactly one place, which the model keeps beside the
 * list (`where`); every step of the algorithm asserts what it believes about it.
 *
 * Negative controls, in each of which an assertion must fail:
 *   TWO_TAKERS   a second thread pops without holding CURRENT
 *   CLAIM_APART  the push that empties looks and claims in two steps
 *   STALE_LINK   a push writes its link once, not again on every try
 */
#define CAP 3
#define NONE 7

mtype:state = { UNUSED, CLAIMED, CURRENT, PARTIAL, FULL };
mtype:place = { FRESH, FREE, LIVE, HELD };

/* the word */
byte head = NONE, nfree = 0, carved = 0;
mtype:state state = CURRENT;

byte next[CAP];
mtype:place where[CAP] = FRESH;
byte claims = 0; /* threads that believe they hold the slab CLAIMED */

#define LOAD d_step { h = head; f = nfree; c = carved; s = state }
#define SAME (h == head && f == nfree && c == carved && s == state)

/* The list is what it should be; only looked at in one step. */
inline check_list()
{
    d_step {
        i = head; n = 0;
        do
        :: i != NONE -> assert(n < CAP && where[i] == FREE); n++; i = next[i]
        :: else -> break
        od;
        assert(n == nfree);
        i = 0; n = 0;
        do
        :: i < CAP ->
            assert((i >= carved) == (where[i] == FRESH));
            if :: where[i] == FREE -> n++ :: else fi;
            i++
        :: else -> break
        od;
        assert(n == nfree);
        i = 0; n = 0
    }
}

/* C: lib/slab/slab_freelist_atomic.h slab_freelist_pop_batch */
inline pop_one(mine)
{
    do
    :: f == 0 -> break
    :: else ->
        n = next[h];                 /* the link is read before the CAS */
        atomic {
            if
            :: SAME ->
                assert(where[h] == FREE && (n == NONE || where[n] == FREE));
                head = n; nfree = f - 1; where[h] = LIVE;
                check_list();
                break
            :: else -> LOAD
            fi
        }
        if :: s != CURRENT && mine -> assert(false) :: else fi
    od
}

/* C: lib/slab/slab_freelist_atomic.h slab_freelist_take_all */
inline take_all()
{
    do
    :: f == 0 -> break
    :: else ->
        atomic {
            if
            :: SAME ->
                head = NONE; nfree = 0; i = 0;
                do
                :: i < CAP -> if :: where[i] == FREE -> where[i] = HELD :: else fi; i++
                :: else -> break
                od;
                i = 0;
                break
            :: else -> LOAD
            fi
        }
    od;
    /* nothing was read from a block before; now the chain is ours and stands still */
    do
    :: f > 0 -> atomic { assert(where[h] == HELD); where[h] = LIVE; h = next[h]; f-- }
    :: else -> break
    od
}

/* C: lib/slab/slab_freelist_atomic.h slab_freelist_carve */
inline carve_one()
{
    do
    :: c == CAP -> break
    :: else ->
        atomic {
            if
            :: SAME -> assert(where[c] == FRESH); where[c] = LIVE; carved = c + 1; break
            :: else -> LOAD
            fi
        }
    od
}

/* C: lib/slab/slab_freelist_atomic.h slab_freelist_retire */
inline retire()
{
    do
    :: f != 0 || c != CAP -> break
    :: else ->
        atomic {
            if
            :: SAME -> state = FULL; holding = false; break
            :: else -> LOAD
            fi
        }
    od
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
            :: SAME -> assert(claims == 0); state = CURRENT; holding = true; break
            :: else -> LOAD
            fi
        }
    od
}

/* C: lib/slab/slab_freelist_atomic.h slab_freelist_begin */
inline begin()
{
    atomic {
        if
        :: state == UNUSED -> state = CURRENT; holding = true
        :: else
        fi
    }
}

/* C: lib/slab/slab_freelist_atomic.h slab_freelist_end */
inline end()
{
    atomic {
        assert(claims == 1 && nfree == carved);
        i = 0;
        do
        :: i < carved -> assert(where[i] == FREE); where[i] = FRESH; i++
        :: else -> break
        od;
        i = 0; head = NONE; nfree = 0; carved = 0; state = UNUSED; claims--
    }
}

proctype holder()
{
    byte h, f, c, n, i, steps;
    mtype:state s;
    bool holding = true;
    do
    :: steps < 6 ->
        steps++;
        if
        :: holding ->
            LOAD; assert(s == CURRENT);
            if
            :: f > 0 -> pop_one(true)
            :: f > 1 -> take_all()
            :: c < CAP -> carve_one()
            :: f == 0 && c == CAP -> retire()
            fi
        :: else -> if :: claim() :: begin() fi
        fi
    :: else -> break
    od
}

/* C: lib/slab/slab_freelist_atomic.h slab_freelist_push_chain */
inline push(first, last, count)
{
    claimed = false;
    LOAD;
#ifdef STALE_LINK
    next[last] = h;
#endif
    do
    :: true ->
        assert(f + count <= c && (s == CURRENT || s == PARTIAL || s == FULL));
#ifndef STALE_LINK
        next[last] = h;
#endif
        atomic {
            if
            :: SAME ->
                head = first; nfree = f + count; where[first] = FREE; where[last] = FREE;
#ifndef CLAIM_APART
                if
                :: s != CURRENT && nfree == carved -> state = CLAIMED; claims++; claimed = true
                :: s == FULL && nfree != carved -> state = PARTIAL
                :: else
                fi;
#else
                if :: s == FULL -> state = PARTIAL :: else fi;
#endif
                check_list();
                break
            :: else -> LOAD
            fi
        }
    od;
#ifdef CLAIM_APART
    if
    :: state != CURRENT && nfree == carved -> claimed = true; atomic { state = CLAIMED; claims++ }
    :: else
    fi;
#endif
    if :: claimed -> assert(claims == 1); end() :: else fi
}

proctype pusher()
{
    byte h, f, c, n, i, a, b, steps;
    mtype:state s;
    bool claimed;
    do
    :: steps < 2 ->
        steps++;
        /* gets blocks that the program is done with */
        atomic {
            a = NONE; b = NONE; i = 0;
            do
            :: i < CAP ->
                if
                :: where[i] == LIVE && a == NONE -> a = i
                :: where[i] == LIVE && a != NONE && b == NONE -> b = i
                :: true
                fi;
                i++
            :: else -> break
            od;
            i = 0;
            if :: a != NONE -> where[a] = HELD :: else fi;
            if :: b != NONE -> where[b] = HELD :: else fi
        }
        if
        :: a == NONE
        :: a != NONE && b == NONE -> push(a, a, 1)
        :: a != NONE && b != NONE -> next[a] = b; push(a, b, 2)
        fi
    :: else -> break
    od
}

#ifdef TWO_TAKERS
proctype taker()
{
    byte h, f, c, n, i;
    mtype:state s;
    LOAD;
    pop_one(false)
}
#endif

init {
    byte n, i;
    atomic {
        run holder(); run pusher(); run pusher();
#ifdef TWO_TAKERS
        run taker()
#endif
    }
    /* at rest */
    _nr_pr == 1;
    assert(claims == 0 && state != CLAIMED);
    check_list()
}
