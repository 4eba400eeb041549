/* SPDX-License-Identifier: MIT */
/*
 * strings OPERATIONS SEED: a program of text, such as an interpreter, a web server or a
 * shell: a table of 10000 strings of up to 4 KiB, which are appended to, copied, cut,
 * joined and dropped at random. Half of them grow to the exact size, half with room.
 *
 * OPERATIONS  of these. In the result a malloc is an operation, a realloc and a free.
 */
#include "bench.h"

enum { STRINGS = 10000, LONGEST = 4096, WORD = 12 };

struct string {
    char *text; /* or NULL; ends in a zero byte */
    uint32_t length, room;
};

static const char letters[] = "the quick brown fox jumps over the lazy dog while a small cat "
                              "watches them from the roof of the old house near the river";

static struct string table[STRINGS];
static uint64_t calls;
static uint32_t state;

static struct string *any(void)
{
    return &table[bench_below(&state, STRINGS)];
}

static void drop(struct string *string)
{
    calls += string->text != NULL;
    free(string->text);
    *string = (struct string){NULL, 0, 0};
}

static struct string copy_of(const char *text, uint32_t length)
{
    calls++;
    struct string string = {bench_malloc(length + 1), length, length + 1};
    memcpy(string.text, text, length);
    string.text[length] = '\0';
    return string;
}

static void resize(struct string *string, uint32_t room)
{
    calls++;
    string->text = realloc(string->text, room);
    if (string->text == NULL)
        bench_fail("out of memory");
    string->room = room;
}

static void append(struct string *string, const char *text, uint32_t length)
{
    uint32_t needed = string->length + length + 1;
    if (needed > string->room)
        resize(string, (string - table) % 2 == 0 ? needed : needed + needed / 2);
    memcpy(string->text + string->length, text, length);
    string->length += length;
    string->text[string->length] = '\0';
}

static void append_word(struct string *string)
{
    uint32_t length = 1 + bench_below(&state, WORD);
    if (string->length + length > LONGEST)
        drop(string);
    append(string, letters + bench_below(&state, sizeof letters - WORD - 1), length);
}

static void copy(struct string *to, const struct string *from)
{
    if (from->text == NULL || to == from)
        return;
    drop(to);
    *to = copy_of(from->text, from->length);
}

/* The end of one string, from anywhere in it, becomes another. */
static void cut(struct string *from, struct string *to)
{
    if (from->length < 2 || to == from)
        return;
    uint32_t at = bench_below(&state, from->length);
    drop(to);
    *to = copy_of(from->text + at, from->length - at);
    from->length = at;
    from->text[at] = '\0';
    resize(from, at + 1);
}

/* The second goes to the end of the first. */
static void join(struct string *first, struct string *second)
{
    if (second->text == NULL || first == second || first->length + second->length > LONGEST)
        return;
    append(first, second->text, second->length);
    drop(second);
}

static void step(void)
{
    uint32_t percent = bench_below(&state, 100);
    if (percent < 60)
        append_word(any());
    else if (percent < 75)
        copy(any(), any());
    else if (percent < 85)
        cut(any(), any());
    else if (percent < 95)
        join(any(), any());
    else
        drop(any());
}

int main(int argc, char **argv)
{
    static const char usage[] = "usage: strings OPERATIONS SEED\ne.g.   strings 3000000 42\n";
    bench_help(argc, argv, usage, 2, 2);
    uint64_t operations = bench_number(argv[1], 1, INT64_MAX, "OPERATIONS");
    state = bench_seed((uint32_t)bench_number(argv[2], 0, UINT32_MAX, "SEED"), 0);
    double start = bench_now();
    for (uint64_t i = 0; i < operations; i++)
        step();
    for (size_t i = 0; i < STRINGS; i++) {
        if (table[i].text != NULL && strlen(table[i].text) != table[i].length)
            bench_fail("a string is not what was written");
        drop(&table[i]);
    }
    bench_report((double)calls, bench_now() - start);
    return 0;
}
