/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "profile_names.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "profile.h"
#include "profile_demangle.h"

/* Replaces `length` bytes at `at` with a text that is not longer. */
static void replace(char *at, size_t length, const char *text)
{
    size_t text_length = strlen(text);
    memcpy(at, text, text_length);
    memmove(at + text_length, at + length, strlen(at + length) + 1);
}

/* The '>' that belongs to the '<' at the end of a text's first `length` bytes, or NULL. */
static char *closing_bracket(char *text, size_t length)
{
    unsigned depth = 1;
    for (char *at = text + length; *at != '\0'; at++) {
        if (*at == '<')
            depth++;
        else if (*at == '>' && at[-1] != '-' && --depth == 0)
            return at;
    }
    return NULL;
}

/* Takes out arguments of templates that are what a program gets without asking for them. */
static void leave_out_defaults(char *name)
{
    static const char *const defaults[] = {", std::allocator<", ", std::__1::allocator<",
                                           ", std::char_traits<", ", std::__1::char_traits<",
                                           ", std::default_delete<", ", alloc::alloc::Global"};
    for (size_t i = 0; i < sizeof defaults / sizeof defaults[0]; i++) {
        size_t length = strlen(defaults[i]);
        bool bracket = defaults[i][length - 1] == '<';
        for (char *at = name; (at = strstr(at, defaults[i])) != NULL;) {
            char *end = bracket ? closing_bracket(at, length) : at + length - 1;
            if (end == NULL)
                break;
            replace(at, (size_t)(end - at) + 1, "");
        }
    }
}

void profile_tidy_name(char *name)
{
    static const char *const names[][2] = {{" >", ">"},
                                           {"std::__cxx11::basic_string<char>", "std::string"},
                                           {"std::__1::basic_string<char>", "std::string"},
                                           {"std::basic_string<char>", "std::string"},
                                           {"(anonymous namespace)", "{anonymous}"}};
    leave_out_defaults(name);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        for (char *at = name; (at = strstr(at, names[i][0])) != NULL;)
            replace(at, strlen(names[i][0]), names[i][1]);
    profile_clean(name);
}

/* Cuts what follows the name in a symbol table: @VERSION, .part.0 and the like. */
static void cut_suffixes(char *name)
{
    static const char *const suffixes[] = {"@", ".cold", ".part.", ".isra.", ".constprop.",
                                           ".lto_priv.", ".llvm.", " [clone "};
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        char *suffix = name[0] != '\0' ? strstr(name + 1, suffixes[i]) : NULL;
        if (suffix != NULL)
            *suffix = '\0';
    }
}

char *profile_name_of_symbol(const char *symbol)
{
    enum { LENGTH_MOST = 4096 }; /* a longer one is no help to anybody, and costs the demangler dear */
    char *copy = strndup(symbol, LENGTH_MOST);
    if (copy == NULL)
        return NULL;
    cut_suffixes(copy);
    char *name = strncmp(copy, "_Z", 2) == 0 || strncmp(copy, "_R", 2) == 0
                     ? profile_demangle(copy)
                     : NULL;
    if (name != NULL) {
        free(copy);
        cut_suffixes(name);
    } else {
        name = copy;
    }
    profile_tidy_name(name);
    return name;
}
