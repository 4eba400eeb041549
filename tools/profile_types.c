/* SPDX-License-Identifier: MIT */
/*
 * Types of C++ objects by what the language itself keeps in memory for dynamic_cast and typeid, also in
 * programs without symbols:
 *
 *     object ──► virtual table       type information          name
 *     [word]     [-16] to the top    [0] table of its class    "N3geo6CircleE"
 *                [ -8] ──────────►   [8] ──────────────────►
 *
 * It is memory of the process, which can have anything there. All addresses must lead into loaded objects, and
 * the type information must itself be of one of the three classes that the C++ ABI has for classes.
 */
#define _GNU_SOURCE
#include "config.h"

#include <ctype.h>
#include <string.h>

#include "profile.h"
#include "reader/memory.h"

enum {
    WORDS_FIRST = 1 << 10,
    WORDS_MOST = 1 << 20,
    CLASSES_MOST = 64,
    NAME_MOST = 4096,
    CHUNK = 256,               /* of a name; a part of a page */
    TO_TOP_MOST = 1 << 30
};

struct known {
    uint64_t word;
    const char *name; /* mangled; NULL: none */
};

struct profile_types {
    struct known *known; /* a hash table; its room is a power of two */
    size_t count, room;
    uint64_t class[CLASSES_MOST]; /* tables of classes of type information that were met */
    size_t class_count;
};

/* ---- words ------------------------------------------------------------- */

static struct known *look_up(struct known *known, size_t room, uint64_t word)
{
    size_t at = (size_t)(word * 0x9e3779b97f4a7c15u >> 24) & (room - 1);
    while (known[at].word != 0 && known[at].word != word)
        at = (at + 1) & (room - 1);
    return &known[at];
}

static bool grow(struct profile *profile, struct profile_types *types)
{
    size_t room = types->room == 0 ? WORDS_FIRST : 2 * types->room;
    struct known *known = room <= WORDS_MOST ? profile_room(profile, room, sizeof *known) : NULL;
    if (known == NULL)
        return false;
    for (size_t i = 0; i < types->room; i++)
        if (types->known[i].word != 0)
            *look_up(known, room, types->known[i].word) = types->known[i];
    types->known = known;
    types->room = room;
    return true;
}

void profile_add_word(struct profile *profile, uint64_t word)
{
    if (profile->types == NULL)
        profile->types = profile_room(profile, 1, sizeof *profile->types);
    struct profile_types *types = profile->types;
    if (types == NULL || word == 0 || (types->count >= types->room / 2 && !grow(profile, types)))
        return;
    struct known *found = look_up(types->known, types->room, word);
    types->count += found->word == 0;
    found->word = word;
}

const char *profile_mangled_type(const struct profile *profile, uint64_t word)
{
    const struct profile_types *types = profile->types;
    return types != NULL && types->room != 0 && word != 0 ? look_up(types->known, types->room, word)->name : NULL;
}

/* ---- type information -------------------------------------------------- */

/* The address of the type information of a virtual table; 0 if it is none. */
static uint64_t information_of(const struct profile *profile, const struct remote_memory *memory, uint64_t word)
{
    struct {
        int64_t to_top;
        uint64_t information;
    } head;
    const struct profile_mapping *mapping = profile_mapping_of(profile, word), *last = NULL;
    if (mapping == NULL || word % sizeof(uint64_t) != 0 || word - mapping->start < sizeof head ||
        !remote_read(memory, (uintptr_t)(word - sizeof head), &head, sizeof head))
        return 0;
    bool good = head.to_top <= 0 && head.to_top > -TO_TOP_MOST && head.to_top % (int64_t)sizeof(void *) == 0 &&
                profile_may_be_table(profile, head.information, &last);
    return good ? head.information : 0;
}

/* The length of a name, of which all is copied; 0: it cannot be read, or is too long. */
static size_t read_name(const struct profile *profile, const struct remote_memory *memory, uint64_t address,
                        char name[NAME_MOST + 1])
{
    size_t length = 0;
    if (profile_mapping_of(profile, address) == NULL)
        return 0;
    while (length < NAME_MOST) {
        size_t part = CHUNK - (size_t)((address + length) % CHUNK);
        if (part > NAME_MOST - length)
            part = NAME_MOST - length;
        if (!remote_read(memory, (uintptr_t)(address + length), name + length, part))
            return 0;
        const char *end = memchr(name + length, '\0', part);
        if (end != NULL)
            return (size_t)(end - name);
        length += part;
    }
    return 0;
}

/* Of a class as the ABI mangles it. A character of another alphabet has bytes above those of ASCII. */
static bool is_class_name(const char *name)
{
    if (!isdigit((unsigned char)name[0]) && (name[0] == '\0' || strchr("NSZ", name[0]) == NULL))
        return false;
    for (; *name != '\0'; name++)
        if ((unsigned char)*name < 0x80 && !isalnum((unsigned char)*name) && strchr("_.$", *name) == NULL)
            return false;
    return true;
}

/* What type information leads to. */
struct information {
    uint64_t table, name;
};

/* Whether this is the table of a class that the ABI has for type information of classes. */
static bool is_of_class(struct profile *profile, const struct remote_memory *memory, uint64_t table)
{
    static const char *const names[] = {"N10__cxxabiv117__class_type_infoE", "N10__cxxabiv120__si_class_type_infoE",
                                        "N10__cxxabiv121__vmi_class_type_infoE"};
    struct information own;
    char name[NAME_MOST + 1];
    uint64_t address = information_of(profile, memory, table);
    if (address == 0 || !remote_read(memory, (uintptr_t)address, &own, sizeof own) ||
        read_name(profile, memory, own.name, name) == 0)
        return false;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

/* The same, remembered. */
static bool is_known_class(struct profile *profile, const struct remote_memory *memory, uint64_t table)
{
    struct profile_types *types = profile->types;
    for (size_t i = 0; i < types->class_count; i++)
        if (types->class[i] == table)
            return true;
    if (!is_of_class(profile, memory, table))
        return false;
    if (types->class_count < CLASSES_MOST)
        types->class[types->class_count++] = table;
    return true;
}

/* The mangled name of the type that a word stands for, in `text`; NULL: there is none. */
static const char *find_name(struct profile *profile, const struct remote_memory *memory, uint64_t word,
                             char text[NAME_MOST + 1])
{
    struct information information;
    uint64_t address = information_of(profile, memory, word);
    if (address == 0 || !remote_read(memory, (uintptr_t)address, &information, sizeof information) ||
        !is_known_class(profile, memory, information.table) ||
        read_name(profile, memory, information.name, text) == 0)
        return NULL;
    const char *name = text[0] == '*' ? text + 1 : text; /* of a type that no other file can name */
    return is_class_name(name) ? name : NULL;
}

void profile_read_types(struct profile *profile, const struct remote_memory *memory)
{
    struct profile_types *types = profile->types;
    char text[NAME_MOST + 1];
    for (size_t i = 0; types != NULL && i < types->room; i++) {
        struct known *known = &types->known[i];
        const char *name = known->word != 0 ? find_name(profile, memory, known->word, text) : NULL;
        const char *kept = profile_keep(profile, name);
        if (kept != NULL)
            known->name = kept;
    }
}

void profile_record_types(struct profile *profile, const struct remote_memory *recorded)
{
    struct profile_types *types = profile->types;
    char text[NAME_MOST + 1];
    if (types != NULL)
        types->class_count = 0;
    for (size_t i = 0; types != NULL && i < types->room; i++)
        if (types->known[i].name != NULL)
            find_name(profile, recorded, types->known[i].word, text);
}
