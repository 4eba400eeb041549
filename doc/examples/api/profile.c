/* SPDX-License-Identifier: MIT */
/*
 * profile: which code allocated what a part of a program left behind.
 *
 *     cc -g profile.c $(pkg-config --cflags --libs hakmem)
 *     ./a.out part.heap
 *     hakmem profile part.heap
 *
 * The part is "import": it reads items, keeps an index of them, and forgets to free the texts.
 */
#include <fcntl.h>
#include <hakmem/hakmem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ITEMS = 20000, TEXT = 1000 };

static char *read_text(int number)
{
    char *text = (char *)malloc(TEXT);
    if (text != NULL)
        snprintf(text, TEXT, "item %d", number);
    return text;
}

static size_t *grow_index(size_t *lengths, int count)
{
    return (size_t *)realloc(lengths, (size_t)count * sizeof *lengths);
}

/* Returns the lengths of the items, to be freed; NULL without memory. */
static size_t *import_items(void)
{
    size_t *lengths = NULL;
    for (int i = 0; i < ITEMS; i++) {
        if (i % 1000 == 0 && (lengths = grow_index(lengths, i + 1000)) == NULL)
            return NULL;
        char *text = read_text(i);
        if (text == NULL)
            return NULL;
        lengths[i] = strlen(text); /* here free(text) is missing */
    }
    return lengths;
}

static int write_profile(const char *name)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (fd == -1)
        return -1;
    int result = hak_profile_write(fd, HAK_PROFILE_IN_USE, HAK_PROFILE_HEAP_V2);
    return close(fd) == 0 ? result : -1;
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "part.heap";

    if (hak_profile_start(64 << 10) != 0) { /* a sample for each 64 KiB */
        perror("hak_profile_start");
        return EXIT_FAILURE;
    }
    size_t *lengths = import_items();
    hak_profile_stop(); /* blocks allocated from here on do not count, frees still do */
    if (lengths == NULL) {
        perror("import");
        return EXIT_FAILURE;
    }
    printf("%d items, the last one of %zu characters\n", ITEMS, lengths[ITEMS - 1]);
    free(lengths);
    if (write_profile(name) != 0) {
        perror(name);
        return EXIT_FAILURE;
    }
    printf("what is left is in %s: hakmem profile %s\n", name, name);
    return EXIT_SUCCESS;
}
