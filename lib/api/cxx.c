/* SPDX-License-Identifier: MIT */
/*
 * operator new and delete in all forms of C++17 [new.delete], by their mangled
 * names, so that the library needs no C++ runtime. What the runtime must do (run
 * the new-handler, throw std::bad_alloc) is asked of it through weak symbols; a
 * program without a C++ runtime never gets here.
 *
 * A sized delete checks its size: it costs nothing and finds mismatched types.
 *
 * In a program with a malloc of its own the operators go to that, as those of a C++ runtime do.
 */
#include <stdlib.h>

#include "api/visible.h"
#include "base/bits.h"
#include "base/params.h"
#include "front/fast.h"

typedef void new_handler(void);
extern new_handler *_ZSt15get_new_handlerv(void) __attribute__((weak));
extern void _ZSt17__throw_bad_allocv(void) __attribute__((weak, noreturn));

/* Mangled names spell size_t. */
#if __SIZEOF_SIZE_T__ == __SIZEOF_LONG__ && __SIZEOF_LONG__ == 8
#define SIZED(before, after) before##m##after
#else
#define SIZED(before, after) before##j##after
#endif

/* Not ours, or new_once would not be here. */
static HAK_COLD void *new_of_program(size_t alignment, size_t size)
{
    if (size == 0)
        size = 1;
    if (alignment <= HAK_ALIGNMENT)
        return malloc(size);
    size_t rounded = hak__align_up(size, alignment);
    return rounded >= size ? aligned_alloc(alignment, rounded) : NULL;
}

HAK_INLINE void *new_once(size_t alignment, size_t size)
{
    if (hak_unlikely(!hak__malloc_is_visible()))
        return new_of_program(alignment, size);
    return alignment <= HAK_ALIGNMENT ? hak__malloc(size) : hak__aligned(alignment, size);
}

/* Asks the new-handler for memory until there is some or no handler. */
static HAK_COLD void *new_again(size_t alignment, size_t size)
{
    void *block = NULL;
    while (block == NULL) {
        new_handler *handler = _ZSt15get_new_handlerv != NULL ? _ZSt15get_new_handlerv() : NULL;
        if (handler == NULL)
            return NULL;
        handler();
        block = new_once(alignment, size);
    }
    return block;
}

static HAK_COLD void *new_throwing(size_t alignment, size_t size)
{
    void *block = new_again(alignment, size);
    if (block != NULL)
        return block;
    if (_ZSt17__throw_bad_allocv != NULL)
        _ZSt17__throw_bad_allocv();
    abort();
}

#define NEW(name, parameters, alignment)                                                           \
    HAK_EXPORT void *name parameters;                                                              \
    void *name parameters                                                                          \
    {                                                                                              \
        void *block = new_once(alignment, size);                                                   \
        return hak_likely(block != NULL) ? block : new_throwing(alignment, size);                  \
    }

/* A handler that throws ends the program here, as [new.delete.single] lets nothing pass. */
#define NEW_NOTHROW(name, parameters, alignment)                                                   \
    HAK_EXPORT void *name parameters;                                                              \
    void *name parameters                                                                          \
    {                                                                                              \
        (void)tag;                                                                                 \
        void *block = new_once(alignment, size);                                                   \
        return hak_likely(block != NULL) ? block : new_again(alignment, size);                     \
    }

NEW(SIZED(_Znw, ), (size_t size), HAK_ALIGNMENT)
NEW(SIZED(_Zna, ), (size_t size), HAK_ALIGNMENT)
NEW(SIZED(_Znw, St11align_val_t), (size_t size, size_t alignment), alignment)
NEW(SIZED(_Zna, St11align_val_t), (size_t size, size_t alignment), alignment)
NEW_NOTHROW(SIZED(_Znw, RKSt9nothrow_t), (size_t size, const void *tag), HAK_ALIGNMENT)
NEW_NOTHROW(SIZED(_Zna, RKSt9nothrow_t), (size_t size, const void *tag), HAK_ALIGNMENT)
NEW_NOTHROW(SIZED(_Znw, St11align_val_tRKSt9nothrow_t),
            (size_t size, size_t alignment, const void *tag), alignment)
NEW_NOTHROW(SIZED(_Zna, St11align_val_tRKSt9nothrow_t),
            (size_t size, size_t alignment, const void *tag), alignment)

HAK_INLINE void delete(void *block)
{
    if (hak_unlikely(!hak__malloc_is_visible()))
        free(block);
    else
        hak__free(block, "operator delete");
}

HAK_INLINE void delete_sized(void *block, size_t alignment, size_t size)
{
    if (hak_unlikely(!hak__malloc_is_visible()))
        free(block);
    else
        hak__free_sized(block, alignment, size, "operator delete");
}

#define DELETE(name, parameters)                                                                   \
    HAK_EXPORT void name parameters;                                                               \
    void name parameters                                                                           \
    {                                                                                              \
        delete(block);                                                                             \
    }

#define DELETE_ALIGNED(name, parameters)                                                           \
    HAK_EXPORT void name parameters;                                                               \
    void name parameters                                                                           \
    {                                                                                              \
        (void)alignment;                                                                           \
        delete(block);                                                                             \
    }

#define DELETE_SIZED(name, parameters, alignment)                                                  \
    HAK_EXPORT void name parameters;                                                               \
    void name parameters                                                                           \
    {                                                                                              \
        delete_sized(block, alignment, size);                                                      \
    }

DELETE(_ZdlPv, (void *block))
DELETE(_ZdaPv, (void *block))
DELETE_SIZED(SIZED(_ZdlPv, ), (void *block, size_t size), HAK_ALIGNMENT)
DELETE_SIZED(SIZED(_ZdaPv, ), (void *block, size_t size), HAK_ALIGNMENT)
DELETE_ALIGNED(_ZdlPvSt11align_val_t, (void *block, size_t alignment))
DELETE_ALIGNED(_ZdaPvSt11align_val_t, (void *block, size_t alignment))
DELETE_SIZED(SIZED(_ZdlPv, St11align_val_t), (void *block, size_t size, size_t alignment),
             alignment)
DELETE_SIZED(SIZED(_ZdaPv, St11align_val_t), (void *block, size_t size, size_t alignment),
             alignment)

#define DELETE_NOTHROW(name, parameters)                                                           \
    HAK_EXPORT void name parameters;                                                               \
    void name parameters                                                                           \
    {                                                                                              \
        (void)tag;                                                                                 \
        delete(block);                                                                             \
    }

DELETE_NOTHROW(_ZdlPvRKSt9nothrow_t, (void *block, const void *tag))
DELETE_NOTHROW(_ZdaPvRKSt9nothrow_t, (void *block, const void *tag))

#define DELETE_ALIGNED_NOTHROW(name)                                                               \
    HAK_EXPORT void name(void *block, size_t alignment, const void *tag);                          \
    void name(void *block, size_t alignment, const void *tag)                                      \
    {                                                                                              \
        (void)alignment;                                                                           \
        (void)tag;                                                                                 \
        delete(block);                                                                             \
    }

DELETE_ALIGNED_NOTHROW(_ZdlPvSt11align_val_tRKSt9nothrow_t)
DELETE_ALIGNED_NOTHROW(_ZdaPvSt11align_val_tRKSt9nothrow_t)
