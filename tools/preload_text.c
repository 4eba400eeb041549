/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "preload_text.h"

#include <stdlib.h>
#include <string.h>

/* A NUL ends what glibc reads; here it only separates, so that what is behind one is seen too. */
static bool is_separator(char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\n' || byte == ':' || byte == '\0';
}

static void blank_comments_as_meant(char *bytes, size_t size)
{
    bool comment = false;
    for (size_t i = 0; i < size; i++) {
        comment = bytes[i] != '\n' && (comment || bytes[i] == '#');
        if (comment)
            bytes[i] = ' ';
    }
}

/* Each search begins at the start of the file, and is as long as what the one before left. */
static void blank_comments_by_glibc(char *bytes, size_t size)
{
    size_t rest = size;
    while (rest > 0) {
        char *comment = memchr(bytes, '#', rest);
        if (comment == NULL)
            return;
        rest -= (size_t)(comment - bytes);
        while (rest > 0 && *comment != '\n') {
            *comment++ = ' ';
            rest--;
        }
    }
}

char *preload_text_read(const struct preload_text *text, enum preload_reading reading)
{
    char *bytes = malloc(text->size + 1);
    if (bytes == NULL)
        return NULL;
    if (text->size > 0)
        memcpy(bytes, text->bytes, text->size);
    bytes[text->size] = '\0';
    if (reading == PRELOAD_AS_MEANT)
        blank_comments_as_meant(bytes, text->size);
    else
        blank_comments_by_glibc(bytes, text->size);
    return bytes;
}

bool preload_next_name(const char *bytes, size_t size, struct preload_name *name)
{
    size_t start = name->start + name->length;
    while (start < size && is_separator(bytes[start]))
        start++;
    size_t end = start;
    while (end < size && !is_separator(bytes[end]))
        end++;
    *name = (struct preload_name){start, end - start};
    return end > start;
}

/*
 * Whether it is this path, or the form with $LIB by which a loader finds it. Versions that wrote
 * the names of any libraries wrote that form, too.
 */
static bool leads_to(const char *name, size_t length, const char *path)
{
    static const char variable[] = "/$LIB/";
    size_t whole = strlen(path);
    if (whole == length && memcmp(name, path, length) == 0)
        return true;
    const char *at = memmem(name, length, variable, strlen(variable));
    if (at == NULL)
        return false;
    size_t start = (size_t)(at - name) + 1, end = length - start - strlen("$LIB");
    return whole > start + end && memcmp(name, path, start) == 0 &&
           strncmp(path + start, "lib", 3) == 0 &&
           memcmp(name + length - end, path + whole - end, end) == 0;
}

bool preload_is_ours(const char *name, size_t length, const char *other)
{
    static const char *const files[] = {"libhakmem.so", "libhakmem-debug.so", "libhakmem-hardened.so"};

    if (length > 0 && name[length - 1] == '\r')
        length--;
    if (other != NULL && leads_to(name, length, other))
        return true;
    const char *slash = memrchr(name, '/', length);
    if (slash != NULL) {
        length -= (size_t)(slash + 1 - name);
        name = slash + 1;
    }
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        size_t known = strlen(files[i]);
        if (length >= known && memcmp(name, files[i], known) == 0 &&
            (length == known || name[known] == '.'))
            return true;
    }
    return false;
}

int preload_count_ours(const struct preload_text *text, enum preload_reading reading,
                       const char *other, struct preload_name *first)
{
    char *bytes = preload_text_read(text, reading);
    if (bytes == NULL)
        return -1;
    int count = 0;
    struct preload_name name = {0, 0};
    while (preload_next_name(bytes, text->size, &name))
        if (preload_is_ours(bytes + name.start, name.length, other) && count++ == 0)
            *first = name;
    free(bytes);
    return count;
}

/* Puts other bytes, perhaps none, in the place of those from start to end. */
static bool splice(struct preload_text *text, size_t start, size_t end, const char *with,
                   size_t length)
{
    size_t size = text->size - (end - start) + length;
    char *bytes = malloc(size + 1);
    if (bytes == NULL)
        return false;
    if (start > 0)
        memcpy(bytes, text->bytes, start);
    memcpy(bytes + start, with, length);
    if (text->size > end)
        memcpy(bytes + start + length, text->bytes + end, text->size - end);
    free(text->bytes);
    *text = (struct preload_text){bytes, size};
    return true;
}

static bool remove_name(struct preload_text *text, struct preload_name name)
{
    size_t start = name.start, end = name.start + name.length;
    size_t line = start, line_end = end;
    while (line > 0 && text->bytes[line - 1] != '\n' && is_separator(text->bytes[line - 1]))
        line--;
    while (line_end < text->size && text->bytes[line_end] != '\n' &&
           is_separator(text->bytes[line_end]))
        line_end++;
    bool begins_line = line == 0 || text->bytes[line - 1] == '\n';
    bool ends_line = line_end == text->size || text->bytes[line_end] == '\n';
    if (begins_line && ends_line) {
        start = line;
        end = line_end < text->size ? line_end + 1 : line_end;
    } else if (start > line) {
        start--;
    } else if (line_end > end) {
        end++;
    }
    return splice(text, start, end, "", 0);
}

static bool copy(const struct preload_text *text, struct preload_text *result)
{
    *result = (struct preload_text){NULL, 0};
    return splice(result, 0, 0, text->size > 0 ? text->bytes : "", text->size);
}

/* What is taken out moves the rest, which glibc may then read in another way: until none is left.
 */
bool preload_text_remove(const struct preload_text *text, const char *other,
                         struct preload_text *result)
{
    static const enum preload_reading readings[] = {PRELOAD_AS_MEANT, PRELOAD_BY_GLIBC};

    if (!copy(text, result))
        return false;
    for (size_t i = 0; i < 2;) {
        struct preload_name name = {0, 0};
        int count = preload_count_ours(result, readings[i], other, &name);
        if (count < 0 || (count > 0 && !remove_name(result, name))) {
            free(result->bytes);
            return false;
        }
        i = count > 0 ? 0 : i + 1;
    }
    return true;
}

/* Whether the entry is the only one of ours, and written as wanted, in a reading. */
static bool is_alone(const struct preload_text *text, enum preload_reading reading,
                     const char *entry, const char *other)
{
    struct preload_name name = {0, 0};
    return preload_count_ours(text, reading, other, &name) == 1 && name.length == strlen(entry) &&
           memcmp(text->bytes + name.start, entry, name.length) == 0;
}

static bool is_right(const struct preload_text *text, const char *entry, const char *other)
{
    return is_alone(text, PRELOAD_AS_MEANT, entry, other) &&
           is_alone(text, PRELOAD_BY_GLIBC, entry, other);
}

bool preload_text_add(const struct preload_text *text, const char *entry, const char *other,
                      struct preload_text *result)
{
    if (!copy(text, result))
        return false;
    if (is_right(result, entry, other))
        return true;
    struct preload_name name = {0, 0};
    if (preload_count_ours(result, PRELOAD_AS_MEANT, other, &name) == 1 &&
        splice(result, name.start, name.start + name.length, entry, strlen(entry)) &&
        is_right(result, entry, other))
        return true;
    free(result->bytes);
    if (!preload_text_remove(text, other, result))
        return false;
    bool open = result->size > 0 && result->bytes[result->size - 1] != '\n';
    if ((open && !splice(result, result->size, result->size, "\n", 1)) ||
        !splice(result, result->size, result->size, entry, strlen(entry)) ||
        !splice(result, result->size, result->size, "\n", 1)) {
        free(result->bytes);
        return false;
    }
    return true;
}

bool preload_text_equal(const struct preload_text *one, const struct preload_text *two)
{
    return one->size == two->size &&
           (one->size == 0 || memcmp(one->bytes, two->bytes, one->size) == 0);
}
