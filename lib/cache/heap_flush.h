/* SPDX-License-Identifier: MIT */
/* Emptying a heap. */
#ifndef HAK_CACHE_HEAP_FLUSH_H
#define HAK_CACHE_HEAP_FLUSH_H

struct hak_heap;

/* Hands back all that the heap holds; it stays usable. A poll is left to the caller. */
void hak__heap_flush(struct hak_heap *heap);
/* The same of all but what is in the bins, for who has entered the heap or barred it (enter.h). */
void hak__heap_flush_rest(struct hak_heap *heap);

/* Of a heap that loses its thread: closes its mailbox and empties it. */
void hak__heap_close(struct hak_heap *heap);
/* The same, but what is in its bins and current slabs stays for the next thread. */
void hak__heap_leave_contents(struct hak_heap *heap);
/* Of a heap whose thread has stopped anywhere: gives up what is sure, and forgets the rest. */
void hak__heap_salvage(struct hak_heap *heap);

#endif
