/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "damaged_types.h"

#include <ctype.h>
#include <string.h>

enum { PAGE = 65536 };

struct table {
    intptr_t to_top;
    const void *information;
    const void *function[2];
};
struct information {
    const void *table;
    const char *name;
};

/* All that is led to; in a place of its own, which is taken for a loaded object. */
static _Alignas(PAGE) struct {
    struct table table, of_classes;
    struct information information, of_class;
    char name[8], name_of_class[40];
    char rest[PAGE / 2];
} object = {.table = {0, &object.information, {NULL, NULL}},
            .of_classes = {0, &object.of_class, {NULL, NULL}},
            .information = {object.of_classes.function, object.name},
            .of_class = {object.of_classes.function, object.name_of_class},
            .name = "6Object",
            .name_of_class = "N10__cxxabiv117__class_type_infoE"};

uintptr_t damaged_types_word(void)
{
    return (uintptr_t)object.table.function;
}

static bool add_object(struct profile *profile, size_t *room, uint64_t start, uint64_t end)
{
    char path[] = "/bin/damaged";
    struct profile_map_line map = {.start = start, .end = end, .path = path};
    return profile_add_mapping(profile, &map, room);
}

void damaged_types_record(struct recorder *recorder, const struct remote_memory *memory)
{
    uintptr_t start = (uintptr_t)&object;
    struct remote_memory recorded = recorder_memory(recorder);
    struct profile *profile = profile_new();
    size_t room = 0;
    recorder_add_mapping(recorder, &(struct snapshot_mapping){.start = start, .end = start + sizeof object,
                                                              .kind = SNAPSHOT_OBJECT}, "/bin/damaged");
    if (profile != NULL && add_object(profile, &room, start, start + sizeof object)) {
        profile_add_word(profile, damaged_types_word());
        profile_read_types(profile, memory);
        profile_record_types(profile, &recorded);
    }
    profile_free(profile);
}

struct profile *damaged_types_profile(const struct snapshot_file *file)
{
    struct profile *profile = profile_new();
    size_t room = 0;
    for (uint64_t i = 0; profile != NULL && i < file->header.mappings.count; i++)
        if (file->mappings[i].kind == SNAPSHOT_OBJECT &&
            !add_object(profile, &room, file->mappings[i].start, file->mappings[i].end))
            break;
    if (profile != NULL)
        profile_sort_mappings(profile);
    return profile;
}

static bool is_good(const char *name)
{
    size_t length = strlen(name);
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)name[i] < 0x80 && !isalnum((unsigned char)name[i]) && strchr("_.$", name[i]) == NULL)
            return false;
    return length > 0 && length <= 4096;
}

int damaged_types_read(struct profile *profile, const struct remote_memory *memory)
{
    uint64_t words[] = {damaged_types_word(), (uintptr_t)object.of_classes.function};
    int found = 0;
    profile_read_types(profile, memory);
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        const char *name = profile_mangled_type(profile, words[i]);
        found += name != NULL;
        if (name != NULL && !is_good(name))
            return -1;
    }
    return found;
}
