/* SPDX-License-Identifier: MIT */
/*
 * What checkers of memory errors are told: Valgrind's memcheck, and AddressSanitizer in a program
 * that is built with it. Nothing at all without --with-annotations.
 *
 *     accessible = the requested sizes of live blocks
 *
 * That is all that a checker knows of blocks: free ones, the rest behind a requested size, and what
 * was never handed out are nobody's. There is no other record of the size that was asked for.
 *
 * The library itself reads and writes what is nobody's: marks and links of free blocks. It is not
 * built with AddressSanitizer then, and from memcheck it hides what it does by HAK_UNSEEN. Hence
 * it can hide its own records as well: they point to blocks, and would keep leaks from being found.
 */
#ifndef HAK_BASE_ANNOTATE_H
#define HAK_BASE_ANNOTATE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"

#if HAK_ANNOTATIONS

/* Whether there is a checker. */
bool hak__is_watched(void);

/* A block that was nobody's is the program's. Before anybody else gets it. */
void hak__annotate_live(void *block, size_t size, bool zeroed);
/* A block that may be the program's is nobody's; memcheck reports it when it was not live. */
void hak__annotate_free(void *block, size_t usable);
/* Of a live block all that is usable is the program's; what it did not ask for is not written. */
void hak__annotate_whole(void *block, size_t usable);
/* The same for the library alone, which is about to copy and to free it. */
void hak__annotate_rest(void *block, size_t usable);

/* Memory becomes nobody's, */
void hak__annotate_hide(void *start, size_t size);
/* and accessible, for functions of the C library, which AddressSanitizer checks, or for good. */
void hak__annotate_lend(void *start, size_t size);

/* Memory is a record of the library: a block to which it points may be lost all the same. */
void hak__annotate_record(void *start, size_t size);

/* What the library has found out is known, even from bytes that the program never wrote. */
void hak__annotate_known(void *start, size_t size);

/* From begin to end memcheck does not see what the thread does, or until the end of the scope. */
#define HAK_UNSEEN                                                                                 \
    __attribute__((cleanup(hak__unseen_end), unused)) char hak__unseen = hak__unseen_begin()
char hak__unseen_begin(void);
void hak__unseen_end(char *unused);
/* Ends all such scopes of the thread, which does not return to them. */
void hak__unseen_leave(void);

#else

#define HAK_UNSEEN ((void)0)
#define hak__unseen_begin() ((void)0)
#define hak__unseen_end(unused) ((void)(unused))
#define hak__unseen_leave() ((void)0)
#define hak__is_watched() false
#define hak__annotate_live(block, size, zeroed) ((void)(block), (void)(size), (void)(zeroed))
#define hak__annotate_free(block, usable) ((void)(block), (void)(usable))
#define hak__annotate_whole(block, usable) ((void)(block), (void)(usable))
#define hak__annotate_rest(block, usable) ((void)(block), (void)(usable))
#define hak__annotate_hide(start, size) ((void)(start), (void)(size))
#define hak__annotate_lend(start, size) ((void)(start), (void)(size))
#define hak__annotate_known(start, size) ((void)(start), (void)(size))
#define hak__annotate_record(start, size) ((void)(start), (void)(size))

#endif

#endif
