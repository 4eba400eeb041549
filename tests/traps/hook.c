/* SPDX-License-Identifier: MIT */
/*
 * Functions in front of libc's, which allocate and then do what libc's do. HOOK_LIST names a file of
 * lines HOOK(name). Arguments are passed on as words, as many as any function here takes, and results
 * come back as one; so the headers, which know the types, stay out.
 */
typedef __SIZE_TYPE__ size_t;
typedef long function(long, long, long, long, long, long, long, long);

extern void *dlvsym(void *handle, const char *name, const char *version);
extern void *malloc(size_t size);
extern void *calloc(size_t count, size_t size);
extern void *realloc(void *block, size_t size);
extern void free(void *block);

#define NEXT ((void *)-1L)

/* dlsym may be one of them; the newest version that it has in libc comes first. */
static void *real_dlsym(const char *name)
{
    static const char *const versions[] = {"GLIBC_2.34", "GLIBC_2.2.5", "GLIBC_2.17", "GLIBC_2.0"};
    static void *(*find)(void *handle, const char *name);
    for (size_t i = 0; find == (void *)0 && i < sizeof versions / sizeof versions[0]; i++)
        find = (void *(*)(void *, const char *))dlvsym(NEXT, "dlsym", versions[i]);
    return find != (void *)0 ? find(NEXT, name) : (void *)0;
}

static __thread int inside __attribute__((tls_model("initial-exec")));

static function *enter(const char *name, function **real)
{
    if (inside++ == 0) {
        free(realloc(malloc(40), 900));
        free(calloc(3, 1000));
        free(malloc(100000));
        free(malloc(5000000));
    }
    if (*real == (void *)0)
        *real = (function *)real_dlsym(name);
    inside--;
    return *real;
}

#define HOOK(name)                                                                                 \
    long hook_##name(long a, long b, long c, long d, long e, long f, long g, long h)               \
        __asm__(#name);                                                                            \
    long hook_##name(long a, long b, long c, long d, long e, long f, long g, long h)               \
    {                                                                                              \
        static function *real;                                                                     \
        return enter(#name, &real)(a, b, c, d, e, f, g, h);                                        \
    }
#include HOOK_LIST
