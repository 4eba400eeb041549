/* SPDX-License-Identifier: MIT */
/*
 * mem-cases CASE: what remains resident after a case, what peaks in it, or what growing
 * costs, on whatever allocator is preloaded. Prints a line "ROW UNIT FIGURE" for each
 * figure that the case has; bench/memory makes a table of them.
 *
 * No case keeps records of its blocks beside the allocator: the blocks of a fill are a
 * list through their first words. What is resident now is read from smaps_rollup, which
 * the kernel counts page by page; the counters of /proc/self/status lag behind by some
 * pages a processor.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <malloc.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

enum { KIB = 1024, MIB = 1024 * 1024, PAGE = 4096 };

/* A field in KiB of a file of /proc/self, read without allocating. */
static double kib(const char *path, const char *field)
{
    static char text[8192];
    int file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = file < 0 ? -1 : read(file, text, sizeof text - 1);
    if (length < 0)
        bench_fail("cannot read /proc/self");
    close(file);
    text[length] = '\0';
    const char *found = strstr(text, field);
    if (found == NULL)
        bench_fail("a field of /proc/self is missing");
    return (double)strtol(found + strlen(field), NULL, 10);
}

static double resident(void)
{
    return kib("/proc/self/smaps_rollup", "\nRss:");
}

static double peak(void)
{
    return kib("/proc/self/status", "\nVmHWM:");
}

/* A block that the compiler cannot drop with its free. */
static void *allocate(size_t size)
{
    void *block = bench_malloc(size);
    bench_use(block);
    return block;
}

static void touch(char *from, size_t size)
{
    for (size_t i = 0; i < size; i += PAGE)
        ((volatile char *)from)[i] = 1;
}

struct link {
    struct link *next;
};

/* A list of touched blocks of least to most bytes that are total bytes or just above. */
static struct link *fill(size_t total, size_t least, size_t most)
{
    uint32_t random = bench_seed(42, 0);
    struct link *first = NULL, **last = &first;
    for (size_t made = 0; made < total;) {
        size_t size = least + bench_below(&random, (uint32_t)(most - least + 1));
        struct link *block = allocate(size);
        touch((char *)block, size);
        ((char *)block)[size - 1] = 1;
        *last = block;
        last = &block->next;
        *last = NULL;
        made += size;
    }
    return first;
}

/* In the order in which they were allocated. */
static void free_all(struct link *block)
{
    while (block != NULL) {
        struct link *next = block->next;
        free(block);
        block = next;
    }
}

/* Runs a function in a process of its own, so that its figure has no history. */
static double apart(double (*function)(size_t), size_t argument)
{
    int ends[2];
    double figure = 0;
    if (pipe(ends) != 0)
        bench_fail("cannot make a pipe");
    pid_t child = fork();
    if (child < 0)
        bench_fail("cannot start a process");
    if (child == 0) {
        figure = function(argument);
        _exit(write(ends[1], &figure, sizeof figure) == (ssize_t)sizeof figure ? 0 : 1);
    }
    close(ends[1]);
    bool whole = read(ends[0], &figure, sizeof figure) == (ssize_t)sizeof figure;
    close(ends[0]);
    int status = 0;
    if (waitpid(child, &status, 0) != child || status != 0 || !whole)
        bench_fail("a case failed");
    return figure;
}

/* What remains of many blocks when all are freed and nothing else is called. */
static double burst(size_t total, size_t least, size_t most)
{
    free(allocate(least));
    double start = resident();
    free_all(fill(total, least, most));
    return (resident() - start) / KIB;
}

static void case_burst_small(void)
{
    printf("burst-small MiB %.1f\n", burst((size_t)600 * MIB, 16, 512));
}

static void case_burst_large(void)
{
    printf("burst-large MiB %.1f\n", burst((size_t)400 * MIB, 64 * KIB, MIB));
}

static void *free_list(void *first)
{
    free_all(first);
    return NULL;
}

/* The same when another thread frees the blocks, which then ends. */
static void case_burst_remote(void)
{
    free(allocate(16));
    double start = resident();
    pthread_join(bench_thread(free_list, fill((size_t)300 * MIB, 16, 512)), NULL);
    printf("burst-remote MiB %.1f\n", (resident() - start) / KIB);
}

/*
 * What remains when one block in so many survives, at equal distances, and the program asks
 * for what can be given back; the survivors themselves are not counted.
 */
enum { SURVIVOR = 200 };

static void case_sparse_trim(void)
{
    free(allocate(16));
    double start = resident(), survivors = 0;
    struct link *block = fill((size_t)300 * MIB, 16, 512);
    for (size_t n = 1; block != NULL; n++) {
        struct link *next = block->next;
        if (n % SURVIVOR == 0)
            survivors += (double)malloc_usable_size(block) / KIB;
        else
            free(block);
        block = next;
    }
    malloc_trim(0);
    printf("sparse-trim MiB %.1f\n", (resident() - start - survivors) / KIB);
}

/*
 * Hand-off: one thread only allocates, the other only frees, the oldest first; from LIVE
 * less SLACK to LIVE blocks are alive from the time when so many were made.
 */
enum { LIVE = 10000, SLACK = 256, HANDED_SIZES = 1024 - 16 + 1, HANDED = 2000000 };

static char *handed[LIVE];
static _Alignas(64) _Atomic size_t made;    /* written by the producer */
static _Alignas(64) _Atomic size_t dropped; /* written by the consumer */

static void *produce(void *unused)
{
    uint32_t random = bench_seed(42, 0);
    for (size_t n = 0; n < HANDED; n++) {
        while (n - atomic_load_explicit(&dropped, memory_order_acquire) == LIVE)
            sched_yield();
        size_t size = 16 + bench_below(&random, HANDED_SIZES);
        handed[n % LIVE] = memset(allocate(size), 1, size);
        atomic_store_explicit(&made, n + 1, memory_order_release);
    }
    return unused;
}

static void *consume(void *unused)
{
    for (size_t n = 0; n < HANDED; n++) {
        size_t enough = n + LIVE - SLACK;
        if (enough > HANDED)
            enough = HANDED;
        while (atomic_load_explicit(&made, memory_order_acquire) < enough)
            sched_yield();
        free(handed[n % LIVE]);
        atomic_store_explicit(&dropped, n + 1, memory_order_release);
    }
    return unused;
}

static void case_hand_off(void)
{
    free(allocate(16));
    touch((char *)handed, sizeof handed);
    double start = resident();
    pthread_t producer = bench_thread(produce, NULL);
    pthread_t consumer = bench_thread(consume, NULL);
    pthread_join(producer, NULL);
    pthread_join(consumer, NULL);
    double live = (double)LIVE * (16 + 1024) / 2 / KIB;
    printf("hand-off MiB %.1f\n", (peak() - start - live) / KIB);
}

/*
 * Growth: one block from a byte to STEPS * STEP bytes, by realloc and by mremap. Of each
 * new step the first byte is written, or a byte of each page. The seconds are those of the
 * processor, the least of some rounds. An allocator that copies at every step would take
 * minutes: it stops at LIMIT seconds, and its figures are lower bounds.
 */
enum { STEP = MIB, STEPS = 512, LIMIT = 5 };

static double processor_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static char *grow_mapping(char *block, size_t size, size_t wanted)
{
    void *grown;
    if (size == 0)
        grown = mmap(NULL, wanted, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    else
        grown = mremap(block, size, wanted, MREMAP_MAYMOVE);
    return grown == MAP_FAILED ? NULL : grown;
}

static char *grow_block(char *block, size_t size, size_t wanted)
{
    return size == 0 ? allocate(wanted) : realloc(block, wanted);
}

static double grow(bool mapping, bool all)
{
    double start = processor_seconds();
    char *block = NULL;
    size_t size = 0;
    for (size_t i = 0; i <= STEPS && processor_seconds() - start < LIMIT; i++) {
        size_t wanted = i == 0 ? 1 : i * STEP;
        block = mapping ? grow_mapping(block, size, wanted) : grow_block(block, size, wanted);
        if (block == NULL)
            bench_fail("cannot grow");
        touch(block + size, all ? wanted - size : 1);
        size = wanted;
    }
    double took = processor_seconds() - start;
    if (mapping)
        munmap(block, size);
    else
        free(block);
    return took;
}

static void growth(const char *row, bool all, int rounds)
{
    double block = LIMIT, mapping = LIMIT;
    for (int i = 0; i < rounds; i++) {
        double bare = grow(true, all);
        double took = grow(false, all);
        mapping = bare < mapping ? bare : mapping;
        block = took < block ? took : block;
        if (took >= LIMIT)
            break;
    }
    const char *bound = block >= LIMIT ? ">" : "";
    printf("%s s %s%.4f\n", row, bound, block);
    printf("%s ratio %s%.2f\n", row, bound, block / mapping);
}

static void case_growth(void)
{
    growth("growth-first", false, 5);
    growth("growth-all", true, 2);
}

/*
 * Idle threads: each mallocs and frees a block of each of so many sizes, then waits. What
 * the same threads cost when they allocate nothing is taken off.
 */
enum { IDLE = 1000, STACK = 128 * KIB };

static const size_t idle_sizes[] = {
    16,  32,  48,  64,   80,   96,   112,  128,  160,  192,  224,  256,  320,  384,  448,  512,
    640, 768, 896, 1024, 1280, 1536, 1792, 2048, 2560, 3072, 3584, 4096, 5120, 6144, 7168, 8192};
static size_t idle_classes;
static pthread_barrier_t all_idle, all_end;

static void *idle(void *unused)
{
    for (size_t i = 0; i < idle_classes; i++) {
        char *block = allocate(idle_sizes[i]);
        touch(block, 1);
        free(block);
    }
    pthread_barrier_wait(&all_idle);
    pthread_barrier_wait(&all_end);
    return unused;
}

static double idle_growth(size_t classes)
{
    static pthread_t thread[IDLE];
    pthread_attr_t attributes;
    idle_classes = classes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK);
    pthread_barrier_init(&all_idle, NULL, IDLE + 1);
    pthread_barrier_init(&all_end, NULL, IDLE + 1);
    free(allocate(16));
    touch((char *)thread, sizeof thread);
    double start = resident();
    for (int i = 0; i < IDLE; i++)
        if (pthread_create(&thread[i], &attributes, idle, NULL) != 0)
            bench_fail("cannot start a thread");
    pthread_barrier_wait(&all_idle);
    double growth = resident() - start;
    pthread_barrier_wait(&all_end);
    for (int i = 0; i < IDLE; i++)
        pthread_join(thread[i], NULL);
    return growth / IDLE;
}

static void case_idle_threads(void)
{
    double none = apart(idle_growth, 0);
    for (size_t classes = 1; classes <= 32; classes += classes == 1 ? 7 : 24)
        printf("idle-threads-%zu KiB/thread %.2f\n", classes, apart(idle_growth, classes) - none);
}

/* Refill: the memory of one class serves another. */
enum { REFILL = 100 * MIB, ONE = 64, OTHER = 1024 };

static double refill_peak(size_t which)
{
    free(allocate(16));
    double start = resident();
    if (which != OTHER)
        free_all(fill(REFILL, ONE, ONE));
    if (which != ONE)
        free_all(fill(REFILL, OTHER, OTHER));
    return peak() - start;
}

static void case_refill(void)
{
    double one = apart(refill_peak, ONE);
    double other = apart(refill_peak, OTHER);
    printf("refill ratio %.3f\n", apart(refill_peak, 0) / (one > other ? one : other));
}

static const struct {
    const char *name;
    void (*run)(void);
} cases[] = {
    {"burst-small", case_burst_small},   {"burst-large", case_burst_large},
    {"burst-remote", case_burst_remote}, {"sparse-trim", case_sparse_trim},
    {"hand-off", case_hand_off},         {"growth", case_growth},
    {"idle-threads", case_idle_threads}, {"refill", case_refill},
};

int main(int argc, char **argv)
{
    static const char usage[] =
        "usage: mem-cases burst-small|burst-large|burst-remote|sparse-trim|hand-off|growth|\n"
        "                 idle-threads|refill\n";
    bench_help(argc, argv, usage, 1, 1);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (strcmp(argv[1], cases[i].name) == 0) {
            cases[i].run();
            return 0;
        }
    fputs(usage, stderr);
    return 2;
}
