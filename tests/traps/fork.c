/* SPDX-License-Identifier: MIT */
/*
 * Processes that come from others: children that share memory with their parent, handlers of fork
 * that allocate, stdio's locks, and forks inside an interrupted malloc.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cases.h"

/* A case repeats until it is sure, or as often as a busy machine can in its time. */
enum { THREADS = 2, LEAST = 30, MOST = 3000, SECONDS = 6 };

extern char **environ;

static atomic_bool stop;
static pthread_t thread[THREADS];

static void churn(unsigned state, int count)
{
    char *block[32] = {NULL};
    for (int i = 0; i < count; i++) {
        state = state * 1664525u + 1013904223u;
        char **slot = &block[(state >> 8) % 32];
        free(*slot);
        *slot = filled(1 + (state >> 14) % ((state >> 4) % 60 == 0 ? 300000 : 900));
    }
    for (int i = 0; i < 32; i++)
        free(block[i]);
}

static void *allocate(void *seed)
{
    for (unsigned state = (unsigned)(uintptr_t)seed; !atomic_load(&stop); state++)
        churn(state, 200);
    return NULL;
}

static void start(void *(*function)(void *))
{
    for (size_t i = 0; i < THREADS; i++)
        REQUIRE(pthread_create(&thread[i], NULL, function, (void *)(i + 1)) == 0);
}

static void finish(void)
{
    atomic_store(&stop, true);
    for (int i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
}

static bool again(int done)
{
    static time_t began;
    if (began == 0)
        began = time(NULL);
    return done < LEAST || (done < MOST && time(NULL) - began < SECONDS);
}

static void reap(pid_t pid)
{
    int status = 0;
    REQUIRE(pid > 0);
    pid_t got;
    while ((got = waitpid(pid, &status, __WALL)) < 0 && errno == EINTR)
        continue;
    REQUIRE(got == pid && status == 0);
}

/* ---- children that share our memory -------------------------------------- */

static char *volatile left_by_child;
static char *volatile left_for_child;

static int borrow_memory(void *unused)
{
    (void)unused;
    churn(13, 100);
    free(left_for_child);
    left_by_child = filled(3000);
    return 0;
}

static void use_what_child_left(void)
{
    REQUIRE(left_by_child[2999] == (3000 & 127));
    free(left_by_child);
    churn(17, 100);
}

static void case_vfork(void)
{
    start(allocate);
    for (int i = 0; again(i); i++) {
        left_for_child = filled(500);
        pid_t pid = vfork();
        if (pid == 0) {
            borrow_memory(NULL);
            if (i % 2 == 0)
                execl("/bin/true", "true", (char *)NULL);
            _exit(0);
        }
        reap(pid);
        use_what_child_left();
    }
    finish();
}

static void share(int flags)
{
    static char stack[256 * 1024] __attribute__((aligned(64)));
    start(allocate);
    for (int i = 0; again(i); i++) {
        left_for_child = filled(500);
        reap(clone(borrow_memory, stack + sizeof stack, flags | SIGCHLD, NULL));
        use_what_child_left();
    }
    finish();
}

static void case_clone_vfork(void)
{
    share(CLONE_VM | CLONE_VFORK);
}

/* Like a thread, but with its parent's thread-local storage, while that waits. */
static void case_clone_vm(void)
{
    share(CLONE_VM | CLONE_FS | CLONE_FILES);
}

static void case_spawn(void)
{
    char *argument[] = {"true", NULL};
    start(allocate);
    for (int i = 0; again(i); i++) {
        posix_spawn_file_actions_t actions;
        pid_t pid = 0;
        REQUIRE(posix_spawn_file_actions_init(&actions) == 0);
        REQUIRE(posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", 0, 0) == 0);
        REQUIRE(posix_spawnp(&pid, "true", &actions, NULL, argument, environ) == 0);
        posix_spawn_file_actions_destroy(&actions);
        reap(pid);
        if (i % 20 == 0) {
            char *line = NULL;
            size_t size = 0;
            FILE *output = popen("echo spoken", "r");
            REQUIRE(output != NULL && getline(&line, &size, output) == 7);
            REQUIRE(pclose(output) == 0 && system("exit 3") == 3 << 8);
            free(line);
        }
    }
    finish();
}

/* ---- handlers of fork ------------------------------------------------------ */

static char *kept;
static int handled;
static bool handlers_allocate;

static void handler(void)
{
    if (!handlers_allocate)
        return;
    handled++;
    free(kept);
    kept = filled(200 + (size_t)handled % 5000);
    churn((unsigned)handled, 30);
    char *large = filled(700000), *huge = opaque(malloc((size_t)40 << 20));
    REQUIRE(huge != NULL);
    large = realloc(large, 900000);
    REQUIRE(large != NULL);
    free(huge);
    free(large);
}

/* Before any library's constructor, so that these are older than the allocator's own handlers. */
static void register_early(void)
{
    pthread_atfork(handler, handler, handler);
}
static void (*const early)(void) __attribute__((section(".preinit_array"), used)) = register_early;

static void case_handlers(void)
{
    handlers_allocate = true;
    pthread_atfork(handler, handler, handler);
    start(allocate);
    for (int i = 0; again(i); i++) {
        int before = handled;
        pid_t pid = fork();
        if (pid == 0) {
            churn(23, 100);
            _exit(handled == before + 4 ? 0 : 1);
        }
        reap(pid);
        REQUIRE(handled == before + 4);
    }
    finish();
}

/* ---- stdio ----------------------------------------------------------------- */

static void read_lines(const char *path)
{
    FILE *file = fopen(path, "r");
    REQUIRE(file != NULL);
    char *line = NULL;
    size_t size = 0;
    while (getline(&line, &size, file) > 0)
        continue;
    free(line);
    fclose(file);
}

static void *use_stdio(void *number)
{
    while (!atomic_load(&stop)) {
        char *text = NULL;
        size_t size = 0;
        FILE *stream = open_memstream(&text, &size);
        REQUIRE(stream != NULL);
        for (int i = 0; i < 200; i++)
            fprintf(stream, "%*d\n", i * 3, i);
        if ((uintptr_t)number == 1)
            fflush(NULL);
        fclose(stream);
        free(text);
        read_lines("/proc/self/maps");
        fputc('.', stdout);
    }
    return NULL;
}

static void case_stdio(void)
{
    REQUIRE(freopen("/dev/null", "w", stdout) != NULL);
    start(use_stdio);
    for (int i = 0; again(i); i++) {
        pid_t pid = fork();
        if (pid == 0) {
            fputs("child", stdout);
            fflush(NULL);
            read_lines("/proc/self/status");
            churn(29, 50);
            exit(0);
        }
        reap(pid);
    }
    finish();
}

/* ---- forks inside an interrupted malloc -------------------------------------- */

static atomic_int interruptions;
static atomic_bool children_allocate;

/* Only what may be done in a handler, unless asked for more. */
static void fork_now(int signal_number)
{
    (void)signal_number;
    int saved = errno;
    pid_t pid = fork();
    if (pid == 0) {
        if (atomic_load(&children_allocate))
            churn(31, 40);
        _exit(0);
    }
    reap(pid);
    atomic_fetch_add(&interruptions, 1);
    errno = saved;
}

static atomic_uint progress;
static pthread_t main_thread;

/* Between two signals the interrupted thread always gets on. */
static void *send_signals(void *unused)
{
    (void)unused;
    for (unsigned i = 0; !atomic_load(&stop); i++) {
        unsigned before = atomic_load(&progress);
        int handled_before = atomic_load(&interruptions);
        pthread_kill(main_thread, SIGUSR1);
        while (!atomic_load(&stop) && (atomic_load(&progress) == before ||
                                       atomic_load(&interruptions) == handled_before))
            sched_yield();
        for (volatile unsigned delay = i * 2654435761u % 3000; delay > 0; delay--)
            continue;
    }
    return NULL;
}

static void interrupt(bool allocating)
{
    pthread_t sender;
    atomic_store(&children_allocate, allocating);
    struct sigaction action = {.sa_handler = fork_now, .sa_flags = SA_RESTART};
    REQUIRE(sigaction(SIGUSR1, &action, NULL) == 0);
    main_thread = pthread_self();
    start(allocate);
    REQUIRE(pthread_create(&sender, NULL, send_signals, NULL) == 0);
    for (unsigned round = 0; again(atomic_load(&interruptions)); round++) {
        churn(round, 10);
        free(filled(100000 + round % 8 * 70000));
        malloc_trim(0);
        atomic_fetch_add(&progress, 1);
    }
    finish();
    pthread_join(sender, NULL);
    REQUIRE(printf("%d forks\n", atomic_load(&interruptions)) > 0);
}

static void case_interrupted(void)
{
    interrupt(false);
}

static void case_interrupted_allocating(void)
{
    interrupt(true);
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        {"vfork", case_vfork},
        {"clone_vfork", case_clone_vfork},
        {"clone_vm", case_clone_vm},
        {"spawn", case_spawn},
        {"handlers", case_handlers},
        {"stdio", case_stdio},
        {"interrupted", case_interrupted},
        {"interrupted_allocating", case_interrupted_allocating},
    };
    return RUN_CASE(cases, argc > 1 ? argv[1] : NULL);
}
