/* SPDX-License-Identifier: MIT */
/*
 * A thread takes from a bin whose owner goes on (lib/cache/enter.h).
 *
 * The bin's array has SLOTS blocks; each is in the bin, the owner's or the other thread's, and never
 * two of them. What the owner stores is in `own` at once and reaches memory some time later, each
 * word by itself; a barrier in all threads makes it reach it. That the owner sees late what the other
 * thread stores needs no buffer: the other thread is slow then.
 *
 * Negative controls:
 *   NO_FIRST  the owner's mark may not have reached memory when it is looked at
 *   NO_BUSY   the owner's mark is not looked at
 *   NO_SECOND what the owner has popped before it saw the base may not have reached memory
 *   NO_LEFT   no block is left to the pop that is under way
 *   EQUAL     the pop asks whether top and base are equal
 */
#define SLOTS 4
#define STEPS 5
#define ROUNDS 2
#define OPEN 0
#define BARRED 1
#define LIFTED 2
#define CACHED 0
#define OWNERS 1
#define OTHERS 2

byte slot[SLOTS], holder[SLOTS];
byte top = SLOTS, own_top = SLOTS, base = 0, lifted = 0, bar = OPEN;
bool busy = false, own_busy = false, inside = false, outside = false;

inline barrier() { atomic { top = own_top; busy = own_busy } }

/* C: lib/front/block.h hak__cache_malloc */
inline pop()
{
    t = own_top;
    if
#ifdef EQUAL
    :: t == base -> skip
#else
    :: t <= base -> skip
#endif
    :: else ->
        b = slot[t - 1];
        own_top = t - 1;
        assert(holder[b] == CACHED);
        holder[b] = OWNERS
    fi
}

/* C: lib/front/fast.h hak__free_cached */
inline push()
{
    if
    :: own_top < SLOTS ->
        b = 0;
        do
        :: b < SLOTS && holder[b] != OWNERS -> b++
        :: else -> break
        od;
        if
        :: b < SLOTS -> slot[own_top] = b; holder[b] = CACHED; own_top++
        :: else -> skip
        fi
    :: else -> skip
    fi
}

/* C: lib/cache/enter.c let_down hak__heap_enter_slow */
/* C: lib/cache/enter.h hak__heap_enter hak__heap_leave */
inline slow()
{
    own_busy = true;
    do
    :: bar == OPEN -> break
    :: bar == LIFTED ->
        d_step {
            base = base - lifted; own_top = own_top - lifted;
            t = base;
            do
            :: t < own_top -> slot[t] = slot[t + lifted]; t++
            :: else -> break
            od;
            lifted = 0
        }
        if :: atomic { bar == LIFTED -> bar = OPEN } :: bar == BARRED -> skip fi
    od;
    inside = true; assert(!outside); inside = false;
    own_busy = false
}

proctype owner()
{
    byte t, b, steps;
    do
    :: steps < STEPS ->
        steps++;
        if :: pop() :: push() :: slow() fi
    :: else -> break
    od
}

proctype memory()
{
end:
    do
    :: top != own_top -> top = own_top
    :: busy != own_busy -> busy = own_busy
    od
}

/* C: lib/cache/idle.c bar take flush_to_owner */
/* C: lib/cache/enter.c hak__heap_bar hak__heap_is_barred hak__bin_close hak__bin_lift hak__heap_unbar */
proctype other()
{
    byte from, till, t, rounds;
    do
    :: rounds < ROUNDS ->
        rounds++;
        bar = BARRED;
#ifndef NO_FIRST
        barrier();
#endif
        if
#ifndef NO_BUSY
        :: busy -> bar = LIFTED
#endif
        :: else ->
            outside = true; assert(!inside);
            from = base;
            t = top;
            base = t;
#ifndef NO_SECOND
            barrier();
#endif
            till = base; t = top;
            if :: t < till -> till = t :: else -> skip fi;
#ifndef NO_LEFT
            if :: till > from -> till-- :: else -> skip fi;
#endif
            base = till;
            lifted = lifted + till - from;
            do
            :: from < till ->
                assert(holder[slot[from]] == CACHED);
                holder[slot[from]] = OTHERS;
                from++
            :: else -> break
            od;
            outside = false;
            bar = LIFTED
        fi
    :: else -> break
    od
}

init
{
    byte i;
    atomic {
        do
        :: i < SLOTS -> slot[i] = i; i++
        :: else -> break
        od;
        run owner(); run memory(); run other()
    }
}
