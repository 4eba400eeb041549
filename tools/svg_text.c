/* SPDX-License-Identifier: MIT */
#include "svg_text.h"

#include <string.h>

#include "profile.h"

static void put_escaped(FILE *out, const char *text)
{
    for (; *text != '\0'; text++) {
        switch (*text) {
        case '<':
            fputs("&lt;", out);
            break;
        case '>':
            fputs("&gt;", out);
            break;
        case '&':
            fputs("&amp;", out);
            break;
        case '"':
            fputs("&quot;", out);
            break;
        default:
            putc(*text, out);
        }
    }
}

static bool begins_character(char byte)
{
    return ((unsigned char)byte & 0xc0) != 0x80;
}

void svg_put_text(FILE *out, const char *text, size_t most)
{
    char clean[4 * SVG_TEXT_MOST + 1]; /* a character has up to four bytes */
    size_t length = 0, characters = 0, last = 0;
    for (; text[length] != '\0' && length < sizeof clean - 1; length++) {
        if (begins_character(text[length])) {
            if (characters + 1 == most)
                last = length;
            if (characters++ == most)
                break;
        }
        clean[length] = text[length];
    }
    bool cut = text[length] != '\0';
    clean[cut ? last : length] = '\0';
    profile_clean(clean);
    put_escaped(out, clean);
    fputs(cut ? "…" : "", out);
}

size_t svg_count_characters(const char *text)
{
    size_t characters = 0;
    for (; *text != '\0'; text++)
        characters += begins_character(*text);
    return characters;
}

/* Rather the end than the beginning, which is only the namespace or the class. */
void svg_put_label(FILE *out, const char *name, size_t most)
{
    const char *at = name, *next;
    while (svg_count_characters(at) + (at > name) > most && (next = strstr(at, "::")) != NULL)
        at = next + 2;
    fputs(at > name ? "…" : "", out);
    svg_put_text(out, at, most - (at > name));
}

/* How many characters of a C++ name are no brackets though they look like some; 0: none. */
static size_t literal_length(const char *name, const char *at)
{
    static const char word[] = "operator", anonymous[] = "(anonymous namespace)";
    size_t length = sizeof word - 1;
    if (strncmp(at, anonymous, sizeof anonymous - 1) == 0)
        return sizeof anonymous - 1;
    if ((size_t)(at - name) < length || memcmp(at - length, word, length) != 0)
        return 0;
    return strncmp(at, "()", 2) == 0 ? 2 : strspn(at, "<>-=");
}

bool svg_shorten(const char *name, char *label, size_t size)
{
    size_t length = 0, depth = 0;
    if (name[0] == '<')
        return false;
    for (const char *at = name; *at != '\0';) {
        size_t literal = literal_length(name, at), step = literal > 0 ? literal : 1;
        if (literal == 0 && (*at == '>' || *at == ')') && depth-- == 0)
            return false;
        if (depth == 0 && step >= size - length)
            return false;
        if (depth == 0) {
            memcpy(label + length, at, step);
            length += step;
        }
        depth += literal == 0 && (*at == '<' || *at == '(');
        at += step;
    }
    label[length] = '\0';
    return depth == 0 && length > 0 && strcmp(label, name) != 0;
}
