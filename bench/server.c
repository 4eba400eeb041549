/* SPDX-License-Identifier: MIT */
/*
 * server PHASES OPERATIONS SEED: a server that runs for long and whose work drifts, so that
 * the memory of the sizes of yesterday is needed for those of today.
 *
 * There are 500 sessions at a time, each with a random lifetime of 4 to 1023 objects. Most
 * objects have sizes of the phase's range, some any size. When more than 30 MB are in use,
 * sessions are ended before their time. One object in a hundred belongs to no session: it
 * is kept for some five phases, and stands in the way.
 *
 * PHASES      of the work, each with sizes of its own
 * OPERATIONS  objects of each phase; an object's malloc and free are two operations
 */
#include "bench.h"

enum { SESSIONS = 500, BUDGET = 30000000, KEPT_SHARE = 100, KEPT_PHASES = 5 };
enum { SHORTEST = 4, LIFE_OCTAVES = 8, SMALLEST = 24, ANY_OCTAVES = 7 };

/* What dominates a phase; then it starts again. */
static const struct {
    uint32_t smallest, octaves;
} ranges[] = {{256, 2}, {64, 1}, {2048, 2}, {24, 1}, {512, 3}, {128, 1}, {8192, 2}, {48, 2}};

struct object {
    struct object *next; /* of its session */
    size_t size;
};

struct session {
    struct object *objects;
    size_t left; /* objects it still gets */
};

static struct session session[SESSIONS];
static uint32_t state;
static size_t in_use;

static struct object *fresh(size_t phase)
{
    size_t range = phase % (sizeof ranges / sizeof *ranges);
    size_t size = bench_below(&state, 4) > 0
                      ? bench_octaves(&state, ranges[range].smallest, ranges[range].octaves)
                      : bench_octaves(&state, SMALLEST, ANY_OCTAVES);
    struct object *object = bench_malloc(size);
    ((char *)object)[size - 1] = 1;
    *object = (struct object){.size = size};
    in_use += size;
    return object;
}

static void drop(struct object *object)
{
    if (object == NULL)
        return;
    in_use -= object->size;
    free(object);
}

static void end(struct session *one)
{
    for (struct object *object = one->objects; object != NULL;) {
        struct object *next = object->next;
        drop(object);
        object = next;
    }
    *one = (struct session){.left = bench_octaves(&state, SHORTEST, LIFE_OCTAVES)};
}

static void serve(size_t phase)
{
    struct session *one = &session[bench_below(&state, SESSIONS)];
    if (one->left == 0)
        end(one);
    struct object *object = fresh(phase);
    object->next = one->objects;
    one->objects = object;
    one->left--;
    for (size_t i = 0; i < SESSIONS && in_use > BUDGET; i++)
        end(&session[bench_below(&state, SESSIONS)]);
}

int main(int argc, char **argv)
{
    static const char usage[] = "usage: server PHASES OPERATIONS SEED\n"
                                "e.g.   server 12 100000 42\n";
    bench_help(argc, argv, usage, 3, 3);
    size_t phases = (size_t)bench_number(argv[1], 1, 1 << 20, "PHASES");
    uint32_t operations = (uint32_t)bench_number(argv[2], KEPT_SHARE, 1 << 30, "OPERATIONS");
    state = bench_seed((uint32_t)bench_number(argv[3], 0, UINT32_MAX, "SEED"), 0);
    uint32_t keeps = operations / KEPT_SHARE * KEPT_PHASES;
    struct object **kept = bench_table(keeps, sizeof *kept);
    double start = bench_now();
    for (size_t phase = 0; phase < phases; phase++)
        for (uint32_t i = 0; i < operations; i++)
            if (i % KEPT_SHARE == 0) {
                struct object **slot = &kept[bench_below(&state, keeps)];
                drop(*slot);
                *slot = fresh(phase);
            } else {
                serve(phase);
            }
    for (size_t i = 0; i < SESSIONS; i++)
        end(&session[i]);
    for (uint32_t i = 0; i < keeps; i++)
        drop(kept[i]);
    bench_report((double)phases * operations * 2, bench_now() - start);
    free(kept);
    return 0;
}
