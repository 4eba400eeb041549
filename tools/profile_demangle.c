/* SPDX-License-Identifier: MIT */
/*
 * A mangled name of some hundred bytes can stand for one of gigabytes, since each part may refer to
 * two earlier ones. The demangler hands over the name piece by piece, and is left when it is too long.
 */
#include "config.h"

#include HAK_DEMANGLE_HEADER

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include "profile_demangle.h"

const bool profile_demangle_available = true;

enum { LENGTH_MOST = 4096 };
static const char cut[] = "...";

struct name {
    jmp_buf full;
    size_t length;
    char text[LENGTH_MOST + sizeof cut];
};

static void add(const char *part, size_t length, void *context)
{
    struct name *name = context;
    size_t room = LENGTH_MOST - name->length;
    memcpy(name->text + name->length, part, length < room ? length : room);
    name->length += length < room ? length : room;
    if (length > room)
        longjmp(name->full, 1);
}

static bool demangle(const char *symbol, struct name *name)
{
    enum { OPTIONS = DMGL_AUTO | DMGL_ANSI };
    if (setjmp(name->full) != 0) {
        memcpy(name->text + LENGTH_MOST, cut, sizeof cut);
        return true;
    }
    bool done = rust_demangle_callback(symbol, OPTIONS, add, name) != 0;
    if (!done) {
        name->length = 0; /* of a name that was begun */
        done = cplus_demangle_v3_callback(symbol, OPTIONS, add, name) != 0;
    }
    name->text[name->length] = '\0';
    return done;
}

char *profile_demangle(const char *symbol)
{
    struct name *name = malloc(sizeof *name);
    char *text = NULL;
    if (name == NULL)
        return NULL;
    name->length = 0;
    if (demangle(symbol, name))
        text = strdup(name->text);
    free(name);
    return text;
}
