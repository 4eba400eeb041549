/* SPDX-License-Identifier: MIT */
/*
 * The pool's sets: PARTIAL slabs are shown by a hint in the SuperSlab's word,
 * a bit in the leaf and a bit in the root, and claimed by following them down. The chunk is found by
 * a bit above its root, by the same rule.
 *
 * At rest every PARTIAL slab can be found; a slab has one holder at most.
 *
 * Negative controls:
 *   NO_SECOND_LOOK  a bit is cleared without looking at the word below again
 *   LOOK_FIRST      the slab is looked at before its hint is taken away
 */
#define SLOTS 2
#define SLABS 3 /* two in SuperSlab 0, one in SuperSlab 1 */

mtype:state = { UNUSED, CURRENT, PARTIAL };
mtype:state state[SLABS] = CURRENT;
bool partial[SLABS], leaf[2], root, far;
byte holders[SLABS] = 1;

/* C: lib/slab/super_set.h super_set_raise super_set_add */
/* C: lib/slab/super_chunk.c hak__chunk_put */
inline set_add(number)
{
    if :: !leaf[number] -> leaf[number] = true :: else fi;
    if :: !root -> root = true :: else fi;
    if :: !far -> far = true :: else fi
}

/* C: lib/slab/super_set.h super_set_remove */
inline set_remove(number)
{
    atomic { leaf[number] = false; none = !leaf[0] && !leaf[1] }
    if
    :: none ->
        root = false;
#ifndef NO_SECOND_LOOK
        if :: leaf[0] || leaf[1] -> if :: !root -> root = true :: else fi :: else fi
#endif
    :: else
    fi
}

/* C: lib/slab/superslab_partial.c hak__superslab_show */
inline show_slab(slab)
{
    partial[slab] = true;
    set_add(slab / SLOTS)
}

/* C: lib/slab/superslab_partial.c claim_from */
inline claim_from(number)
{
    at = number * SLOTS;
    do
    :: mine == SLABS && at < SLABS && at < (number + 1) * SLOTS ->
        if
        :: partial[at] ->
#ifdef LOOK_FIRST
            look = (state[at] == PARTIAL);
            atomic { had = partial[at]; partial[at] = false }
#else
            atomic { had = partial[at]; partial[at] = false }
            look = true;
#endif
            atomic {
                if
                :: had && look && state[at] == PARTIAL ->
                    state[at] = CURRENT; mine = at; holders[at]++; assert(holders[at] == 1)
                :: else
                fi
            }
        :: else
        fi;
        at++
    :: else -> break
    od
}

/* C: lib/slab/superslab_partial.c hak__superslab_claim claim_in */
/* C: lib/slab/super_set.h super_set_next */
/* C: lib/slab/super_chunk.c hak__chunk_after hak__chunk_strike_out */
/* Unused slots are found in the same way, with `used` for the word below: */
/* C: lib/slab/superslab.c hak__superslab_take take_in strike_out announce */
inline search()
{
    mine = SLABS; number = (far -> 0 : 2);
    do
    :: mine == SLABS && number < 2 ->
        if
        :: root ->
            if
            :: leaf[number] ->
                claim_from(number);
                if
                :: mine == SLABS ->
                    set_remove(number);
#ifndef NO_SECOND_LOOK
                    if
                    :: partial[number * SLOTS] ||
                       (number * SLOTS + 1 < SLABS && partial[(number * SLOTS + 1) % SLABS]) ->
                        set_add(number)
                    :: else
                    fi
#endif
                :: else
                fi
            :: else
            fi
        :: else
        fi;
        number++
    :: else -> break
    od;
    if
    :: mine == SLABS && far ->
        far = false;
#ifndef NO_SECOND_LOOK
        if :: root -> if :: !far -> far = true :: else fi :: else fi
#endif
    :: else
    fi
}

proctype worker(byte mine; byte rounds)
{
    byte at, number;
    bool had, look, none;
    do
    :: rounds > 0 ->
        rounds--;
        if
        :: mine != SLABS ->
            atomic { holders[mine]--; state[mine] = PARTIAL }
            show_slab(mine)
        :: else
        fi;
        search()
    :: else -> break
    od;
    if
    :: mine != SLABS -> atomic { holders[mine]--; state[mine] = PARTIAL } show_slab(mine)
    :: else
    fi
}

/* A push empties a PARTIAL slab: its hint is out of date from now on. */
proctype emptier()
{
    atomic { if :: state[0] == PARTIAL -> state[0] = UNUSED :: else fi }
}

init {
    byte i;
    atomic { run worker(0, 2); run worker(1, 1); run worker(2, 1); run emptier() }
    _nr_pr == 1;
    do
    :: i < SLABS ->
        assert(state[i] != CURRENT && holders[i] == 0);
        assert(state[i] != PARTIAL || (partial[i] && leaf[i / SLOTS] && root && far));
        i++
    :: else -> break
    od
}
