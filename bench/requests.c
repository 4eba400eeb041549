/* SPDX-License-Identifier: MIT */
/*
 * requests THREADS REQUESTS SEED: a server whose threads build a graph of objects for each
 * request, answer it and drop the graph, as servers do that read JSON or XML.
 *
 * A graph is a tree of objects with up to 8 fields each, three levels deep. A field has a name
 * and either a text or an object. The answer is a buffer that realloc doubles until all
 * texts are in it. One request in 16 opens a session: its graph stays until another thread
 * or this one opens a session in the same of 1000 places.
 *
 * REQUESTS  to each thread. A malloc, a realloc or a free is an operation.
 */
#include <stdatomic.h>

#include "bench.h"

enum { FIELDS = 8, LEVELS = 3, SESSIONS = 1000, OPENS = 16, FIRST_BUFFER = 256 };
enum { SMALLEST_NAME = 4, NAME_OCTAVES = 3, SMALLEST_TEXT = 8, TEXT_OCTAVES = 6 };

struct field {
    struct field *next;
    char *name;
    char *text;            /* or NULL */
    struct object *object; /* or NULL */
};

struct object {
    struct field *fields;
    size_t count;
};

struct buffer {
    char *text;
    size_t length, capacity;
};

static _Atomic(struct object *) session[SESSIONS];
static uint64_t requests;
static uint32_t seed;
static atomic_uint_fast64_t operations;

struct worker {
    uint32_t state;
    uint64_t operations;
};

static void *fresh(struct worker *worker, size_t size)
{
    worker->operations += 2; /* its free is one too */
    return bench_malloc(size);
}

static char *text(struct worker *worker, uint32_t smallest, uint32_t octaves)
{
    size_t length = bench_octaves(&worker->state, smallest, octaves);
    char *made = fresh(worker, length + 1);
    memset(made, 'x', length);
    made[length] = '\0';
    return made;
}

static struct object *build(struct worker *worker, size_t levels)
{
    struct object *object = fresh(worker, sizeof *object);
    *object = (struct object){.count = 1 + bench_below(&worker->state, FIELDS)};
    for (size_t i = 0; i < object->count; i++) {
        struct field *field = fresh(worker, sizeof *field);
        *field = (struct field){.next = object->fields};
        field->name = text(worker, SMALLEST_NAME, NAME_OCTAVES);
        if (levels > 1 && bench_below(&worker->state, 2) == 0)
            field->object = build(worker, levels - 1);
        else
            field->text = text(worker, SMALLEST_TEXT, TEXT_OCTAVES);
        object->fields = field;
    }
    return object;
}

static void drop(struct object *object)
{
    if (object == NULL)
        return;
    for (struct field *field = object->fields; field != NULL;) {
        struct field *next = field->next;
        drop(field->object);
        free(field->text);
        free(field->name);
        free(field);
        field = next;
    }
    free(object);
}

static void append(struct worker *worker, struct buffer *buffer, const char *added)
{
    size_t length = strlen(added);
    while (buffer->length + length > buffer->capacity) {
        buffer->capacity = buffer->capacity > 0 ? buffer->capacity * 2 : FIRST_BUFFER;
        buffer->text = realloc(buffer->text, buffer->capacity);
        if (buffer->text == NULL)
            bench_fail("out of memory");
        worker->operations++;
    }
    memcpy(buffer->text + buffer->length, added, length);
    buffer->length += length;
}

static void answer(struct worker *worker, struct buffer *buffer, const struct object *object)
{
    size_t count = 0;
    for (const struct field *field = object->fields; field != NULL; field = field->next) {
        append(worker, buffer, field->name);
        if (field->object != NULL)
            answer(worker, buffer, field->object);
        else
            append(worker, buffer, field->text);
        count++;
    }
    if (count != object->count)
        bench_fail("an object is not what was built");
}

static void *serve(void *number)
{
    struct worker worker = {.state = bench_seed(seed, (size_t)number)};
    for (uint64_t i = 0; i < requests; i++) {
        struct object *root = build(&worker, LEVELS);
        struct buffer buffer = {.text = NULL};
        answer(&worker, &buffer, root);
        bench_use(buffer.text);
        free(buffer.text);
        worker.operations++;
        if (bench_below(&worker.state, OPENS) == 0)
            root = atomic_exchange_explicit(&session[bench_below(&worker.state, SESSIONS)], root,
                                            memory_order_acq_rel);
        drop(root);
    }
    atomic_fetch_add_explicit(&operations, worker.operations, memory_order_relaxed);
    return NULL;
}

int main(int argc, char **argv)
{
    static const char usage[] = "usage: requests THREADS REQUESTS SEED\n"
                                "e.g.   requests 2 50000 42\n";
    bench_help(argc, argv, usage, 3, 3);
    size_t threads = (size_t)bench_number(argv[1], 1, BENCH_THREADS, "THREADS");
    requests = bench_number(argv[2], 1, INT64_MAX, "REQUESTS");
    seed = (uint32_t)bench_number(argv[3], 0, UINT32_MAX, "SEED");
    double start = bench_now();
    bench_run(threads, serve);
    for (size_t i = 0; i < SESSIONS; i++)
        drop(atomic_load_explicit(&session[i], memory_order_relaxed));
    bench_report((double)atomic_load_explicit(&operations, memory_order_relaxed),
                 bench_now() - start);
    return 0;
}
