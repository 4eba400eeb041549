/* SPDX-License-Identifier: MIT */
/*
 * Makes no error: all functions of the interface, in threads that exchange blocks, and in the child
 * of a fork. Writes every byte that it may, reads what it has written, and frees everything.
 */
#include <hakmem/hakmem.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { THREADS = 3, ROUNDS = 1200, KEPT = 60, PASSED = 16 };

struct piece {
    unsigned char *bytes;
    size_t size;
};

static struct piece passed[PASSED];
static pthread_mutex_t passing = PTHREAD_MUTEX_INITIALIZER;

static void demand(int holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "%s\n", what);
    abort();
}

static void fill(struct piece piece)
{
    memset(piece.bytes, (int)(piece.size & 0xff), piece.size);
}

static void check(struct piece piece)
{
    for (size_t i = 0; i < piece.size; i++)
        demand(piece.bytes[i] == (piece.size & 0xff), "a byte has changed");
}

static void check_zero(struct piece piece)
{
    for (size_t i = 0; i < piece.size; i++)
        demand(piece.bytes[i] == 0, "a byte is not zero");
}

static void replace(struct piece *piece, void *bytes, size_t size, int zero)
{
    if (piece->bytes != NULL)
        check(*piece);
    hak_free(piece->bytes);
    demand(bytes != NULL, "no memory");
    *piece = (struct piece){bytes, size};
    if (zero)
        check_zero(*piece);
    fill(*piece);
}

static void reallocate(struct piece *piece, size_t size)
{
    struct piece grown = {hak_realloc(piece->bytes, size + 1), size + 1};
    demand(grown.bytes != NULL, "no memory");
    for (size_t i = 0; i < piece->size && i < grown.size; i++)
        demand(grown.bytes[i] == (piece->size & 0xff), "realloc has changed a byte");
    fill(grown);
    *piece = grown;
}

/* Who asks for the usable size may use it. */
static void resize(struct piece *piece)
{
    if (piece->bytes == NULL)
        return;
    piece->size = hak_usable_size(piece->bytes);
    fill(*piece);
    size_t wanted[] = {piece->size + piece->size / 2, piece->size / 2 + 1};
    for (int i = 0; i < 2; i++) {
        size_t found = hak_resize_in_place(piece->bytes, i == 0 ? wanted[0] : 1, wanted[i]);
        if (found == 0)
            continue;
        piece->size = found;
        fill(*piece);
    }
}

static void batch(size_t size)
{
    void *blocks[20];
    size_t count = hak_alloc_batch(size, 20, blocks);
    for (size_t i = 0; i < count; i++)
        fill((struct piece){blocks[i], size});
    for (size_t i = 0; i < count; i++)
        check((struct piece){blocks[i], size});
    hak_free_batch(blocks, count);
}

static void exchange(struct piece *piece, unsigned place)
{
    pthread_mutex_lock(&passing);
    struct piece other = passed[place];
    passed[place] = *piece;
    *piece = other;
    pthread_mutex_unlock(&passing);
}

static void step(struct piece *piece, unsigned kind, size_t size, unsigned more)
{
    static const unsigned hints[] = {0, HAK_ALLOC_NO_CACHE, HAK_ALLOC_HUGE_PAGES};
    unsigned flags = hints[more % 3] | (more & 16 ? HAK_ALLOC_ZERO : 0);
    switch (kind) {
    case 0:
        replace(piece, hak_malloc(size), size, 0);
        break;
    case 1:
        reallocate(piece, size);
        break;
    case 2:
        replace(piece, hak_calloc(size, 1), size, 1);
        break;
    case 3:
        replace(piece, hak_aligned_alloc((size_t)16 << more % 13, size), size, 0);
        break;
    case 4:
        replace(piece, hak_alloc(size, flags), size, (flags & HAK_ALLOC_ZERO) != 0);
        break;
    case 5:
        resize(piece);
        break;
    case 6:
        batch(size % 500);
        break;
    default:
        exchange(piece, more % PASSED);
    }
}

static void *work(void *seed)
{
    unsigned x = (unsigned)(uintptr_t)seed;
    struct piece kept[KEPT] = {{NULL, 0}};
    for (int i = 0; i < ROUNDS; i++) {
        x = x * 69069u + 1;
        size_t most = i % 200 == 0 ? 5000000 : i % 20 == 0 ? 150000 : 2000;
        step(&kept[(x >> 16) % KEPT], (x >> 8) % 8, (x >> 4) % most, x >> 20);
        if (i % 500 == 0)
            hak_thread_flush();
    }
    for (int i = 0; i < KEPT; i++)
        hak_free(kept[i].bytes);
    return NULL;
}

static void work_in_threads(void)
{
    pthread_t threads[THREADS];
    for (uintptr_t i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, work, (void *)(i + 1));
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

static void work_in_child(void)
{
    int status = 0;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        work((void *)7);
        for (int i = 0; i < PASSED; i++)
            hak_free(passed[i].bytes);
        exit(0);
    }
    waitpid(child, &status, 0);
    demand(status == 0, "the child has failed");
}

static bool count(const hak_block_info_t *info, void *bytes)
{
    if (info->state == HAK_BLOCK_LIVE)
        *(size_t *)bytes += info->usable_size;
    return true;
}

/* Also of blocks that nothing was written to. */
static void ask(void)
{
    void *block = hak_malloc(100);
    hak_block_info_t info = {.struct_size = sizeof info};
    hak_stats_t stats = {.struct_size = sizeof stats};
    size_t bytes = 0;
    demand(hak_block_info(block, &info) == 0 && info.state == HAK_BLOCK_LIVE, "it is not live");
    demand(hak_heap_walk(count, &bytes) == 0 && bytes > 0, "nothing is live");
    demand(hak_stats_get(&stats) == 0 && stats.live_bytes > 0, "nothing is counted");
    demand(hak_check(NULL) == NULL, "the records contradict each other");
    demand(hak_secret_renew() == 0, "the secrets were not renewed");
    hak_free(block);
    demand(hak_block_info(block, &info) == 0 && info.state == HAK_BLOCK_FREE, "it is not free");
}

int main(void)
{
    work_in_threads();
    work_in_child();
    ask();
    hak_purge(HAK_PURGE_PROCESS, 0);
    work_in_threads(); /* in what has been purged */
    for (int i = 0; i < PASSED; i++)
        hak_free(passed[i].bytes);
    return 0;
}
