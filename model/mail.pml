/* SPDX-License-Identifier: MIT */
/*
 * A mailbox (lib/cache/mail.h) among its owner, which ends and begins again, and two threads that
 * free the owner's blocks: a block is a parcel here, and each is out, gathered, in the box, in the
 * inbox or with a slab. A parcel that the owner has emptied is filled and posted again, so the head
 * of the list comes back while others hold what they have read of it.
 *
 * No parcel is lost, or in two places, or in the box of an owner that has ended.
 *
 * Negative controls:
 *   LINK_ONCE     a parcel is linked to the first head that was read, whatever the CAS then finds
 *   TAKE_APART    the owner reads the list and empties the box in two steps
 *   CLOSE_APART   the owner that ends looks at the box and closes it in two steps
 */
#define PARCELS 3
#define NONE 0
#define CLOSED 9

byte box = CLOSED; /* head of the list: a parcel from 1 on */
byte link[PARCELS + 1];       /* of a parcel to the one below */
byte place[PARCELS + 1];      /* where a parcel is */
#define EMPTY 0               /* not in use */
#define HELD 1                /* by who fills, unpacks or hands it back */
#define POSTED 2

/* The caller has a whole list for itself: hands all of it back, or unpacks it. */
inline drain(list)
{
    do
    :: list != NONE ->
        d_step { p = list; list = link[p]; assert(place[p] == POSTED); place[p] = EMPTY }
    :: else -> break
    od
}

/* C: lib/cache/mail.c put post */
inline post()
{
    word = box;
    below = word;
    do
    :: word == CLOSED -> place[mine] = EMPTY; break /* handed back alone */
    :: word != CLOSED ->
#ifndef LINK_ONCE
        below = word;
#endif
        if
        :: true ->
            if :: below == CLOSED -> below = NONE :: else fi;
            link[mine] = below;
            atomic {
                if
                :: box == word -> box = mine; place[mine] = POSTED; mine = NONE
                :: else -> word = box
                fi
            };
            if :: mine == NONE -> break :: else fi
        :: word != NONE -> /* the owner is slow */
            atomic {
                if
                :: box == word -> box = NONE; list = word
                :: else -> word = box
                fi
            };
            if :: list != NONE -> drain(list); place[mine] = EMPTY; break :: else fi
        fi
    od;
    mine = NONE
}

/* C: lib/cache/mail.c hak__mail_add add_slow begin empty_box hak__mail_flush */
proctype freer(byte rounds)
{
    byte word, below, mine = NONE, list = NONE, p, i;
    do
    :: rounds > 0 ->
        rounds--;
        /* any empty parcel: its life begins again */
        i = 1;
        do
        :: i <= PARCELS ->
            atomic { if :: place[i] == EMPTY -> place[i] = HELD; mine = i :: else fi };
            if :: mine != NONE -> break :: else i++ fi
        :: else -> break
        od;
        if :: mine != NONE -> post() :: else fi;
        if
        :: true
        :: true -> /* a flush empties the box of another heap */
            word = box;
            do
            :: word == NONE || word == CLOSED -> break
            :: else ->
                atomic {
                    if
                    :: box == word -> box = NONE; list = word
                    :: else -> word = box
                    fi
                };
                if :: list != NONE -> drain(list); break :: else fi
            od
        fi
    :: else -> break
    od
}

/* C: lib/cache/mail.c fetch hak__mail_take hak__mail_release_parcel */
inline take()
{
    if
    :: box == NONE
    :: box != NONE ->
#ifdef TAKE_APART
        list = box;
        box = NONE;
#else
        atomic { list = box; box = NONE };
#endif
        drain(list)
    fi
}

/* C: lib/cache/mail.c hak__mail_open hak__mail_close */
/* C: lib/cache/heap_life.c leave hak__heap_attach */
/* C: lib/cache/heap_flush.c hak__heap_leave_contents hak__heap_salvage */
proctype owner()
{
    byte list = NONE, p, lives = 2;
    do
    :: lives > 0 ->
        lives--;
        assert(box == CLOSED);
        box = NONE;
        take();
        take();
#ifdef CLOSE_APART
        list = box;
        box = CLOSED;
#else
        atomic { list = box; box = CLOSED };
#endif
        drain(list)
    :: else -> break
    od
}

init {
    byte i;
    atomic { run owner(); run freer(2); run freer(2) }
    _nr_pr == 1;
    assert(box == CLOSED);
    for (i : 1 .. PARCELS) { assert(place[i] == EMPTY) }
}
