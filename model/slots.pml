/* SPDX-License-Identifier: MIT */
/*
 * Slots of a SuperSlab: taken, given back and purged by CAS on the word `used`,
 * while a SuperSlab that has become empty is given up by a CAS on the same word,
 * and its record is used again for another span.
 *
 * A slot has one holder, whose span stays under it; a span that is given up has none. At rest the
 * memory that is counted is what the slots have.
 *
 * Negative controls:
 *   RETIRE_BLIND  the SuperSlab is given up in two steps: look, then write
 *   DIRTY_LATE    the memory behind a slot is recorded after the slot is given back
 *   MASK_COUNTED  a purge counts the slots that it took as memory, not those that had some
 */
#define ALL 3 /* two slots */

byte used = ALL, dirty = 0;
byte span = 0;      /* 0: none; under the lock, while all slots are held */
byte spans = 0;     /* made so far */
bool lock = false, listed = false; /* listed: the record is on the spare list */
byte holder[2];
byte touched = 0;   /* slots that really have memory behind them */
short counted = 0;  /* memory of slots that nobody holds, by number of slots */

#define BITS(set) (((set) & 1) + ((set) >> 1))

/* C: lib/slab/superslab.c forget_dirty */
inline forget(slots)
{
    atomic { counted = counted - BITS(dirty & (slots)); dirty = dirty & (ALL - (slots)) }
}

/* C: lib/slab/superslab.c take_from slab_at */
inline take(slot)
{
    got = false;
    u = used;
    do
    :: (u & slot) != 0 -> break
    :: else ->
        atomic {
            if
            :: used == u -> used = u | slot; got = true; break
            :: else -> u = used
            fi
        }
    od;
    if
    :: got ->
        atomic { holder[slot - 1]++; assert(holder[slot - 1] == 1 && span != 0) }
        my_span = span;
        forget(slot)
    :: else
    fi
}

/* C: lib/slab/superslab.c hak__superslab_return give_back retire keep_or_retire */
inline give_back(slot)
{
    atomic { assert(span == my_span && holder[slot - 1] == 1); holder[slot - 1]-- }
    atomic { left = used & (ALL - slot); used = left }
    if
    :: left == 0 ->
#ifdef RETIRE_BLIND
        got = (used == 0);
        if :: got -> used = ALL :: else fi;
#else
        atomic { got = (used == 0); if :: got -> used = ALL :: else fi }
#endif
        if
        :: got ->
            atomic { !lock -> lock = true }
            assert(holder[0] == 0 && holder[1] == 0 && span != 0);
            assert((touched & ~dirty) == 0); /* what goes back says what it holds */
            forget(ALL);
            atomic { span = 0; touched = 0; listed = true }
            lock = false
        :: else
        fi
    :: else
    fi
}

/* C: lib/slab/superslab.c hak__superslab_create_locked record_locked */
inline create()
{
    atomic { !lock -> lock = true }
    if
    :: listed ->
        listed = false;
        assert(used == ALL && holder[0] == 0 && holder[1] == 0);
        spans++;
        span = spans;
        dirty = 0;
        atomic { used = used & 0 }
    :: else
    fi;
    lock = false
}

proctype thread(byte slot; byte rounds)
{
    byte u, left, my_span;
    bool got;
    do
    :: rounds > 0 ->
        rounds--;
        take(slot);
        if
        :: got ->
            atomic { touched = touched | slot }
#ifdef DIRTY_LATE
            give_back(slot);
            atomic { counted++; dirty = dirty | slot }
#else
            atomic { counted++; dirty = dirty | slot }
            give_back(slot)
#endif
        :: else -> create()
        fi
    :: else -> break
    od
}

/* C: lib/slab/superslab.c hak__superslab_purge purge_one take_dirty forget_purged */
proctype purger()
{
    byte u, left, my_span, slot;
    bool got;
    u = used;
    do
    :: true ->
        slot = ~u & dirty & ALL;
        if
        :: slot == 0 -> break
        :: slot == ALL -> slot = 1
        :: else
        fi;
        atomic {
            if
            :: used == u -> used = u | slot; got = true; break
            :: else -> u = used
            fi
        }
    od;
    if
    :: got ->
        atomic { holder[slot - 1]++; assert(holder[slot - 1] == 1 && span != 0) }
        my_span = span;
        touched = touched & (ALL - slot);
#ifdef MASK_COUNTED
        atomic { counted = counted - BITS(slot); dirty = dirty & (ALL - slot) }
#else
        forget(slot);
#endif
        give_back(slot)
    :: else
    fi
}

init {
    atomic { listed = true; run thread(1, 2); run thread(2, 2); run purger(); run purger() }
    _nr_pr == 1;
    assert(!lock && holder[0] == 0 && holder[1] == 0);
    assert((used == ALL && listed) || used == 0);
    assert((touched & ~dirty) == 0 && counted == BITS(dirty))
}
