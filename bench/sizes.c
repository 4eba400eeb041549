/* SPDX-License-Identifier: MIT */
/*
 * sizes OPERATIONS LIVE SEED THREADS: blocks of the sizes of real programs.
 *
 * Each thread replaces random ones of its blocks. A tenth of the replacements is a realloc
 * by a quarter up or down, a twentieth gets its block from calloc. The first and the
 * last byte of a block are written, of one up to 128 bytes all.
 *
 * OPERATIONS  replacements by each thread, counted as two operations each
 * LIVE        blocks that each thread keeps
 */
#include "bench.h"

/* Most blocks of programs in C and C++ are small, most of the memory is in a few large ones. */
static const struct {
    uint32_t share; /* of 2048 */
    uint32_t smallest, largest;
} mixture[] = {
    {717, 16, 32},    /* 35 % */
    {614, 33, 64},    /* 30 % */
    {348, 65, 128},   /* 17 % */
    {246, 129, 512},  /* 12 % */
    {82, 513, 2048},  /* 4 % */
    {31, 2049, 8192}, /* 1.5 % */
    {10, 8193, 32768} /* 0.5 % */
};

enum { SIZES = 2048, WHOLE = 128, ROWS = sizeof mixture / sizeof *mixture };

struct slot {
    char *block;
    size_t size;
};

static uint16_t sizes[SIZES]; /* drawn from the mixture beforehand */
static uint64_t operations;
static uint32_t live, seed;

static void draw_sizes(void)
{
    uint32_t state = bench_seed(seed, BENCH_THREADS), at = 0;
    for (size_t row = 0; row < ROWS; row++)
        for (uint32_t i = 0; i < mixture[row].share; i++)
            sizes[at++] =
                (uint16_t)(mixture[row].smallest +
                           bench_below(&state, mixture[row].largest - mixture[row].smallest + 1));
    if (at != SIZES)
        bench_fail("the shares of the mixture are not whole");
}

static void replace(struct slot *slot, uint32_t random)
{
    uint32_t way = random / SIZES % 20;
    if (way < 2 && slot->block != NULL) {
        slot->size = slot->size * (12 + random % 8) / 16 + 1;
        slot->block = realloc(slot->block, slot->size);
    } else {
        free(slot->block);
        slot->size = sizes[random % SIZES];
        slot->block = way == 2 ? calloc(1, slot->size) : malloc(slot->size);
    }
    if (slot->block == NULL)
        bench_fail("out of memory");
    if (slot->size <= WHOLE)
        memset(slot->block, (int)way, slot->size);
    slot->block[0] = slot->block[slot->size - 1] = (char)way;
    bench_use(slot->block);
}

static void *mix(void *number)
{
    uint32_t state = bench_seed(seed, (size_t)number);
    struct slot *slot = bench_table(live, sizeof *slot);
    for (uint64_t i = 0; i < operations; i++)
        replace(&slot[bench_below(&state, live)], bench_random(&state));
    for (uint32_t i = 0; i < live; i++)
        free(slot[i].block);
    free(slot);
    return NULL;
}

int main(int argc, char **argv)
{
    static const char usage[] = "usage: sizes OPERATIONS LIVE SEED THREADS\n"
                                "e.g.   sizes 5000000 20000 42 2\n";
    bench_help(argc, argv, usage, 4, 4);
    operations = bench_number(argv[1], 1, INT64_MAX, "OPERATIONS");
    live = (uint32_t)bench_number(argv[2], 1, 1 << 30, "LIVE");
    seed = (uint32_t)bench_number(argv[3], 0, UINT32_MAX, "SEED");
    size_t threads = (size_t)bench_number(argv[4], 1, BENCH_THREADS, "THREADS");
    draw_sizes();
    double start = bench_now();
    bench_run(threads, mix);
    bench_report((double)operations * (double)threads * 2, bench_now() - start);
    return 0;
}
