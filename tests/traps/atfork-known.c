/* SPDX-License-Identifier: MIT */
/*
 * Forks while well-known libraries are at work: `atfork-known LIBRARY`. OpenBLAS ends its workers
 * before a fork, OpenSSL seeds anew after it, GLib has a pool of threads. Without their headers,
 * so that the libraries are all that has to be installed.
 */
#include <dlfcn.h>
#include <sched.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cases.h"

enum { FORKS = 20 };

static void *library;

static void open_library(const char *name)
{
    library = dlopen(name, RTLD_NOW | RTLD_GLOBAL);
    if (library == NULL) {
        puts(dlerror());
        exit(77);
    }
}

#define FUNCTION(result, name, ...)                                                                \
    result (*name)(__VA_ARGS__) = (result(*)(__VA_ARGS__))dlsym(library, #name);                   \
    REQUIRE(name != NULL)

static void fork_while(void (*work)(void), void (*in_child)(void))
{
    for (int i = 0; i < FORKS; i++) {
        int status = 0;
        work();
        pid_t child = fork();
        if (child == 0) {
            in_child();
            _exit(0);
        }
        REQUIRE(waitpid(child, &status, 0) == child && status == 0);
    }
}

static void multiply(void)
{
    enum { N = 160, ROW_MAJOR = 101, AS_IT_IS = 111 };
    FUNCTION(void, cblas_dgemm, int, int, int, int, int, int, double, const double *, int,
             const double *, int, double, double *, int);
    double *a = malloc(3 * N * N * sizeof *a), *b = a + N * N, *c = b + N * N;
    for (int i = 0; i < N * N; i++)
        a[i] = b[i] = 1;
    cblas_dgemm(ROW_MAJOR, AS_IT_IS, AS_IT_IS, N, N, N, 1, a, N, b, N, 0, c, N);
    for (int i = 0; i < N * N; i++)
        REQUIRE(c[i] == N);
    free(a);
}

static void case_openblas(void)
{
    open_library("libopenblas.so.0");
    FUNCTION(void, openblas_set_num_threads, int);
    openblas_set_num_threads(4);
    fork_while(multiply, multiply);
}

static void draw(void)
{
    unsigned char bytes[32], digest[32];
    FUNCTION(int, RAND_bytes, unsigned char *, int);
    FUNCTION(unsigned char *, SHA256, const unsigned char *, size_t, unsigned char *);
    REQUIRE(RAND_bytes(bytes, sizeof bytes) == 1);
    REQUIRE(SHA256(bytes, sizeof bytes, digest) == digest);
}

static void case_openssl(void)
{
    open_library("libcrypto.so.3");
    fork_while(draw, draw);
}

static int volatile asked;

static void print_text(void)
{
    FUNCTION(char *, g_strdup_printf, const char *, ...);
    FUNCTION(void, g_free, void *);
    for (int i = 0; i < 200; i++)
        g_free(g_strdup_printf("%s%1000d", "an answer", i));
}

static void answer(void *text, void *unused)
{
    (void)unused;
    FUNCTION(char *, g_strdup_printf, const char *, ...);
    FUNCTION(void, g_free, void *);
    g_free(g_strdup_printf("%s%1000d", (char *)text, asked));
    g_free(text);
}

/*
 * Threads that allocate while others fork. A child has no pool: GLib would hand its work to idle
 * threads of the parent, which the child does not have.
 */
static void ask(void)
{
    FUNCTION(char *, g_strdup, const char *);
    FUNCTION(void *, g_thread_pool_new, void (*)(void *, void *), void *, int, int, void **);
    FUNCTION(int, g_thread_pool_push, void *, void *, void **);
    FUNCTION(void, g_thread_pool_free, void *, int, int);
    void *pool = g_thread_pool_new(answer, NULL, 2, 1, NULL);
    REQUIRE(pool != NULL);
    for (int i = 0; i < 200; i++)
        REQUIRE(g_thread_pool_push(pool, g_strdup("a question"), NULL));
    g_thread_pool_free(pool, 0, asked++ % 2);
}

static void case_glib(void)
{
    open_library("libglib-2.0.so.0");
    fork_while(ask, print_text);
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        {"openblas", case_openblas},
        {"openssl", case_openssl},
        {"glib", case_glib},
    };
    return RUN_CASE(cases, argc > 1 ? argv[1] : NULL);
}
