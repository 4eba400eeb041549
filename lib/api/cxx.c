/* SPDX-License-Identifier: MIT */
/*
 * operator new and delete, by their mangled names, so that the library needs no C++ runtime.
 *
 * Without memory, operator new goes to that of its caller's runtime, which calls the new-handler
 * and throws std::bad_alloc. In a static program there is no other: then what the runtime is made
 * of is used, as far as it is linked. A program without a C++ runtime never gets here.
 *
 * The nothrow forms are the runtime's. By [new.delete] they are the plain ones in a try block,
 * which cannot be written here.
 *
 * A sized delete checks its size: it costs nothing and finds mismatched types.
 *
 * In a program with a malloc of its own the operators go to that, as those of a C++ runtime do;
 * in one with operators of its own, the forms that it does not define go to those that it does,
 * as [new.delete] says of each: a sized delete to the plain one, those of arrays to those of one
 * object.
 */
#include <stdlib.h>

#include "api/cxx_runtime.h"
#include "api/visible.h"
#include "base/bits.h"
#include "base/params.h"
#include "core/report.h"
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

#define OPERATOR_NEW SIZED(_Znw, )
#define OPERATOR_NEW_ALIGNED SIZED(_Znw, St11align_val_t)
#define OPERATOR_DELETE _ZdlPv
#define OPERATOR_DELETE_ALIGNED _ZdlPvSt11align_val_t

#define TEXT_OF(name) #name
#define TEXT(name) TEXT_OF(name)

/* Declares a form that others come down to, and which##_is_ours(): whether the program sees it. */
#define BASE(which, name, type, ...)                                                               \
    HAK_EXPORT type name(__VA_ARGS__);                                                             \
    extern __typeof__(name) hak__own_##which                                                       \
        __attribute__((visibility("hidden"), alias(TEXT(name))));                                  \
    HAK_INLINE bool which##_is_ours(void)                                                          \
    {                                                                                              \
        return hak_likely(hak__is_own((void *)&name, (void *)&hak__own_##which));                  \
    }
BASE(new, OPERATOR_NEW, void *, size_t size)
BASE(new_aligned, OPERATOR_NEW_ALIGNED, void *, size_t size, size_t alignment)
BASE(delete, OPERATOR_DELETE, void, void *block)
BASE(delete_aligned, OPERATOR_DELETE_ALIGNED, void, void *block, size_t alignment)

HAK_NORETURN static HAK_COLD void report_no_runtime(size_t size)
{
    struct hak_text text;
    hak__text_message(&text);
    hak__text_string(&text, "operator new: out of memory (");
    hak__text_unsigned(&text, size);
    hak__text_string(&text, " bytes), and no C++ runtime to throw std::bad_alloc\n");
    hak__text_abort(&text);
}

static HAK_COLD void *new_throwing(size_t alignment, size_t size, void *caller)
{
    if (alignment <= HAK_ALIGNMENT) {
        void *function = hak__cxx_operator(TEXT(OPERATOR_NEW), (void *)&hak__own_new, caller);
        if (function != NULL)
            return ((void *(*)(size_t))function)(size);
    } else {
        void *function =
            hak__cxx_operator(TEXT(OPERATOR_NEW_ALIGNED), (void *)&hak__own_new_aligned, caller);
        if (function != NULL)
            return ((void *(*)(size_t, size_t))function)(size, alignment);
    }
    void *block = new_again(alignment, size);
    if (block != NULL)
        return block;
    if (_ZSt17__throw_bad_allocv != NULL)
        _ZSt17__throw_bad_allocv();
    report_no_runtime(size);
}

#define CALLER __builtin_extract_return_addr(__builtin_return_address(0))

void *OPERATOR_NEW(size_t size)
{
    void *block = new_once(HAK_ALIGNMENT, size);
    return hak_likely(block != NULL) ? block : new_throwing(HAK_ALIGNMENT, size, CALLER);
}

void *OPERATOR_NEW_ALIGNED(size_t size, size_t alignment)
{
    void *block = new_once(alignment, size);
    return hak_likely(block != NULL) ? block : new_throwing(alignment, size, CALLER);
}

/* What may follow a block, or a size, in the parameters. */
#define SIZE , size_t size
#define ALIGNMENT , size_t alignment

HAK_EXPORT void *SIZED(_Zna, )(size_t size);
void *SIZED(_Zna, )(size_t size)
{
    if (!new_is_ours())
        return OPERATOR_NEW(size);
    void *block = new_once(HAK_ALIGNMENT, size);
    return hak_likely(block != NULL) ? block : new_throwing(HAK_ALIGNMENT, size, CALLER);
}

HAK_EXPORT void *SIZED(_Zna, St11align_val_t)(size_t size, size_t alignment);
void *SIZED(_Zna, St11align_val_t)(size_t size, size_t alignment)
{
    if (!new_aligned_is_ours())
        return OPERATOR_NEW_ALIGNED(size, alignment);
    void *block = new_once(alignment, size);
    return hak_likely(block != NULL) ? block : new_throwing(alignment, size, CALLER);
}

HAK_INLINE void delete_one(void *block)
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

void OPERATOR_DELETE(void *block)
{
    delete_one(block);
}

void OPERATOR_DELETE_ALIGNED(void *block, size_t alignment)
{
    (void)alignment;
    delete_one(block);
}

/* Forms without an alignment, and with one; `how` is what they do with a block of ours. */
#define DELETE(name, how, ...)                                                                     \
    HAK_EXPORT void name(void *block __VA_ARGS__);                                                 \
    void name(void *block __VA_ARGS__)                                                             \
    {                                                                                              \
        if (delete_is_ours())                                                                      \
            how;                                                                                   \
        else                                                                                       \
            OPERATOR_DELETE(block);                                                                \
    }

#define DELETE_ALIGNED(name, how, ...)                                                             \
    HAK_EXPORT void name(void *block __VA_ARGS__);                                                 \
    void name(void *block __VA_ARGS__)                                                             \
    {                                                                                              \
        if (delete_aligned_is_ours())                                                              \
            how;                                                                                   \
        else                                                                                       \
            OPERATOR_DELETE_ALIGNED(block, alignment);                                             \
    }

DELETE(_ZdaPv, delete_one(block))
DELETE(SIZED(_ZdlPv, ), delete_sized(block, HAK_ALIGNMENT, size), SIZE)
DELETE(SIZED(_ZdaPv, ), delete_sized(block, HAK_ALIGNMENT, size), SIZE)
DELETE_ALIGNED(_ZdaPvSt11align_val_t, delete_one(block), ALIGNMENT)
DELETE_ALIGNED(SIZED(_ZdlPv, St11align_val_t), delete_sized(block, alignment, size), SIZE ALIGNMENT)
DELETE_ALIGNED(SIZED(_ZdaPv, St11align_val_t), delete_sized(block, alignment, size), SIZE ALIGNMENT)
