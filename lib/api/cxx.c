/* SPDX-License-Identifier: MIT */
/*
 * operator new and delete, by their mangled names, so that the library needs no C++ runtime.
 *
 * Without memory, operator new goes to that of its caller's runtime, which calls the new-handler
 * and throws std::bad_alloc. In a program with the runtime inside there may be no other: then what
 * the runtime is made of is used, as far as it is linked; all that catches the exception has it. A
 * program without a C++ runtime never gets here.
 *
 * The nothrow forms are the runtime's. By [new.delete] they are the plain ones in a try block,
 * which cannot be written here.
 *
 * A sized delete checks its size: it costs next to nothing and finds mismatched types.
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
#include "cache/heap_pool.h"
#include "core/report.h"
#include "front/fast.h"
#include "front/free_sized.h"
#include "harden/blocks.h"

typedef void new_handler(void);
extern new_handler *_ZSt15get_new_handlerv(void) __attribute__((weak));
extern void _ZSt17__throw_bad_allocv(void) __attribute__((weak, noreturn));
/* The parts of `throw std::bad_alloc()`, by the C++ ABI: its vtable, type and destructor. */
extern void *__cxa_allocate_exception(size_t size) __attribute__((weak));
extern void __cxa_throw(void *exception, void *type, void (*destroy)(void *))
    __attribute__((weak, noreturn));
extern void *_ZTVSt9bad_alloc[] __attribute__((weak));
extern char _ZTISt9bad_alloc[] __attribute__((weak));
__asm__(".weak _ZTVSt9bad_alloc\n\t.weak _ZTISt9bad_alloc"); /* for powerpc64 GCC 12 leaves it out */
extern void _ZNSt9bad_allocD1Ev(void *exception) __attribute__((weak));

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

/* A block that may be of another kind; the hardened variant tells the kinds apart. */
HAK_INLINE void *as(void *block, size_t size, enum hak_kind kind)
{
    return HAK_HARDENED ? hak__harden_live(block, size, kind) : block;
}

HAK_INLINE void *new_once(size_t alignment, size_t size, enum hak_kind kind)
{
    if (hak_unlikely(!hak__malloc_is_visible()))
        return new_of_program(alignment, size);
    return alignment <= HAK_ALIGNMENT ? hak__malloc_as(size, kind) : as(hak__aligned(alignment, size), size, kind);
}

/* Asks the new-handler for memory until there is some or no handler. */
static HAK_COLD void *new_again(size_t alignment, size_t size, enum hak_kind kind)
{
    void *block = NULL;
    while (block == NULL) {
        new_handler *handler = _ZSt15get_new_handlerv != NULL ? _ZSt15get_new_handlerv() : NULL;
        if (handler == NULL)
            return NULL;
        handler();
        block = new_once(alignment, size, kind);
    }
    return block;
}

#define OPERATOR_NEW SIZED(_Znw, )
#define OPERATOR_NEW_ALIGNED SIZED(_Znw, St11align_val_t)
#define OPERATOR_DELETE _ZdlPv
#define OPERATOR_DELETE_ALIGNED _ZdlPvSt11align_val_t
#define OPERATOR_DELETE_ARRAY _ZdaPv
#define OPERATOR_DELETE_ARRAY_ALIGNED _ZdaPvSt11align_val_t

#define TEXT_OF(name) #name
#define TEXT(name) TEXT_OF(name)

/* Declares a form that others come down to, and which##_is_ours(): whether the program sees it. */
#define BASE(which, name, type, ...)                                                               \
    HAK_EXPORT HAK_HOT type name(__VA_ARGS__);                                                     \
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
BASE(delete_array, OPERATOR_DELETE_ARRAY, void, void *block)
BASE(delete_array_aligned, OPERATOR_DELETE_ARRAY_ALIGNED, void, void *block, size_t alignment)

/* Returns where a part is missing. */
static HAK_COLD void throw_bad_alloc(void)
{
    enum { BEFORE_FUNCTIONS = 2 }; /* words of a vtable */
    if (_ZSt17__throw_bad_allocv != NULL)
        _ZSt17__throw_bad_allocv();
    if (__cxa_allocate_exception == NULL || __cxa_throw == NULL || _ZTVSt9bad_alloc == NULL ||
        _ZTISt9bad_alloc == NULL || _ZNSt9bad_allocD1Ev == NULL)
        return;
    void ***exception = __cxa_allocate_exception(sizeof *exception);
    *exception = _ZTVSt9bad_alloc + BEFORE_FUNCTIONS;
    __cxa_throw(exception, _ZTISt9bad_alloc, _ZNSt9bad_allocD1Ev);
}

HAK_NORETURN static HAK_COLD void report_no_runtime(size_t size)
{
    struct hak_text text;
    hak__text_message(&text);
    hak__text_string(&text, "operator new: out of memory (");
    hak__text_unsigned(&text, size);
    hak__text_string(&text, " bytes), and no C++ runtime to throw std::bad_alloc\n");
    hak__text_abort(&text);
}

static HAK_COLD void *new_throwing(size_t alignment, size_t size, enum hak_kind kind, void *caller)
{
    if (alignment <= HAK_ALIGNMENT) {
        void *function = hak__cxx_operator(TEXT(OPERATOR_NEW), (void *)&hak__own_new, caller);
        if (function != NULL)
            return as(((void *(*)(size_t))function)(size), size, kind);
    } else {
        void *function =
            hak__cxx_operator(TEXT(OPERATOR_NEW_ALIGNED), (void *)&hak__own_new_aligned, caller);
        if (function != NULL)
            return as(((void *(*)(size_t, size_t))function)(size, alignment), size, kind);
    }
    void *block = new_again(alignment, size, kind);
    if (block != NULL)
        return block;
    throw_bad_alloc();
    report_no_runtime(size);
}

#define CALLER __builtin_extract_return_addr(__builtin_return_address(0))

void *OPERATOR_NEW(size_t size)
{
    void *block = new_once(HAK_ALIGNMENT, size, HAK_KIND_NEW);
    return hak_likely(block != NULL) ? block : new_throwing(HAK_ALIGNMENT, size, HAK_KIND_NEW, CALLER);
}

void *OPERATOR_NEW_ALIGNED(size_t size, size_t alignment)
{
    void *block = new_once(alignment, size, HAK_KIND_NEW);
    return hak_likely(block != NULL) ? block : new_throwing(alignment, size, HAK_KIND_NEW, CALLER);
}

HAK_EXPORT HAK_HOT void *SIZED(_Zna, )(size_t size);
void *SIZED(_Zna, )(size_t size)
{
    if (!new_is_ours())
        return OPERATOR_NEW(size);
    void *block = new_once(HAK_ALIGNMENT, size, HAK_KIND_NEW_ARRAY);
    return hak_likely(block != NULL) ? block : new_throwing(HAK_ALIGNMENT, size, HAK_KIND_NEW_ARRAY, CALLER);
}

HAK_EXPORT void *SIZED(_Zna, St11align_val_t)(size_t size, size_t alignment);
void *SIZED(_Zna, St11align_val_t)(size_t size, size_t alignment)
{
    if (!new_aligned_is_ours())
        return OPERATOR_NEW_ALIGNED(size, alignment);
    void *block = new_once(alignment, size, HAK_KIND_NEW_ARRAY);
    return hak_likely(block != NULL) ? block : new_throwing(alignment, size, HAK_KIND_NEW_ARRAY, CALLER);
}

/* What the thread's cache takes is ours, whatever malloc the program sees. */
static HAK_NOINLINE void delete_slow(void *block)
{
    if (hak_unlikely(!hak__malloc_is_visible()))
        free(block);
    else
        hak__free_rest(block, "operator delete");
}

/* The hardened variant tells apart what is deleted as an array. */
static HAK_NOINLINE void delete_array_slow(void *block)
{
    if (hak_unlikely(!hak__malloc_is_visible()))
        free(block);
    else
        hak__free_rest(block, "operator delete[]");
}

HAK_INLINE void delete_one(void *block, enum hak_kind kind)
{
    if (hak_likely(hak__free_try(block, (struct hak_told){kind, false, 0})))
        return;
    if (HAK_HARDENED && kind == HAK_KIND_NEW_ARRAY)
        delete_array_slow(block);
    else
        delete_slow(block);
}

HAK_INLINE void delete_sized(void *block, size_t alignment, size_t size, enum hak_kind kind)
{
    bool array = HAK_HARDENED && kind == HAK_KIND_NEW_ARRAY;
    if (hak_unlikely(!hak__malloc_is_visible()))
        free(block);
    else
        hak__free_sized(block, alignment, size, array ? "operator delete[]" : "operator delete");
}

void OPERATOR_DELETE(void *block)
{
    delete_one(block, HAK_KIND_NEW);
}

void OPERATOR_DELETE_ALIGNED(void *block, size_t alignment)
{
    (void)alignment;
    delete_one(block, HAK_KIND_NEW);
}

/* Of an array, without a size: as of one object. */
void OPERATOR_DELETE_ARRAY(void *block)
{
    if (delete_is_ours())
        delete_one(block, HAK_KIND_NEW_ARRAY);
    else
        OPERATOR_DELETE(block);
}

void OPERATOR_DELETE_ARRAY_ALIGNED(void *block, size_t alignment)
{
    if (delete_aligned_is_ours())
        delete_one(block, HAK_KIND_NEW_ARRAY);
    else
        OPERATOR_DELETE_ALIGNED(block, alignment);
}

/*
 * With a size: as without one. Whether all forms are ours the heap knows, and then gives the sizes
 * that are too large for its classes; else each size is.
 */
bool hak__sized_delete_is_ours(void)
{
    return delete_is_ours() && delete_array_is_ours();
}

#define DELETE_SIZED(name, base, is_ours, kind)                                                    \
    static HAK_NOINLINE void base##_sized_slow(void *block, size_t size)                           \
    {                                                                                              \
        if (is_ours)                                                                               \
            delete_sized(block, HAK_ALIGNMENT, size, kind);                                        \
        else                                                                                       \
            base(block);                                                                           \
    }                                                                                              \
    HAK_EXPORT HAK_HOT void name(void *block, size_t size);                                        \
    void name(void *block, size_t size)                                                            \
    {                                                                                              \
        if (hak_unlikely(!hak__free_try(block, (struct hak_told){kind, true, size})))              \
            base##_sized_slow(block, size);                                                        \
    }

#define DELETE_SIZED_ALIGNED(name, base, is_ours, kind)                                            \
    HAK_EXPORT void name(void *block, size_t size, size_t alignment);                              \
    void name(void *block, size_t size, size_t alignment)                                          \
    {                                                                                              \
        if (is_ours)                                                                               \
            delete_sized(block, alignment, size, kind);                                            \
        else                                                                                       \
            base(block, alignment);                                                                \
    }

DELETE_SIZED(SIZED(_ZdlPv, ), OPERATOR_DELETE, delete_is_ours(), HAK_KIND_NEW)
DELETE_SIZED(SIZED(_ZdaPv, ), OPERATOR_DELETE_ARRAY, hak__sized_delete_is_ours(), HAK_KIND_NEW_ARRAY)
DELETE_SIZED_ALIGNED(SIZED(_ZdlPv, St11align_val_t), OPERATOR_DELETE_ALIGNED, delete_aligned_is_ours(),
                     HAK_KIND_NEW)
DELETE_SIZED_ALIGNED(SIZED(_ZdaPv, St11align_val_t), OPERATOR_DELETE_ARRAY_ALIGNED,
                     delete_aligned_is_ours() && delete_array_aligned_is_ours(), HAK_KIND_NEW_ARRAY)
