/* SPDX-License-Identifier: MIT */
/* Lost blocks that are alike. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "leaks.h"

enum { GROUPS_FIRST = 1 << 8, GROUPS_MOST = 1 << 20 };

/* ---- the table --------------------------------------------------------- */

static uint64_t mix(uint64_t sum, uint64_t value)
{
    sum = (sum ^ value) * 0x9e3779b97f4a7c15u;
    return sum ^ sum >> 32;
}

static bool is_alike(const struct leaks_group *one, const struct leaks_group *other)
{
    return one->size == other->size && one->word == other->word && one->entry == other->entry &&
           one->owner == other->owner && one->indirect == other->indirect;
}

static uint32_t *look_up(const struct leaks *leaks, const struct leaks_group *like)
{
    size_t room = 2 * leaks->group_room;
    uint64_t sum = mix(mix(mix(like->indirect, like->size), like->word), (uint64_t)like->entry << 32 | like->owner);
    size_t at = (size_t)sum & (room - 1);
    while (leaks->table[at] != 0 && !is_alike(&leaks->groups[leaks->table[at] - 1], like))
        at = (at + 1) & (room - 1);
    return &leaks->table[at];
}

static bool grow(struct leaks *leaks)
{
    size_t room = leaks->group_room == 0 ? GROUPS_FIRST : 2 * leaks->group_room;
    if (room > GROUPS_MOST)
        return false;
    struct leaks_group *groups = profile_room(leaks->profile, room, sizeof *groups);
    uint32_t *table = profile_room(leaks->profile, 2 * room, sizeof *table);
    if (groups == NULL || table == NULL)
        return false;
    if (leaks->group_count > 0)
        memcpy(groups, leaks->groups, leaks->group_count * sizeof *groups);
    leaks->groups = groups;
    leaks->table = table;
    leaks->group_room = room;
    for (size_t i = 0; i < leaks->group_count; i++)
        *look_up(leaks, &groups[i]) = (uint32_t)i + 1;
    return true;
}

void leaks_list(struct leaks *leaks, uint32_t number, const struct leaks_block *block)
{
    struct leaks_group *group = &leaks->groups[number];
    struct leaks_block *copy = profile_room(leaks->profile, 1, sizeof *copy);
    if (copy == NULL) {
        leaks->unlisted++;
        return;
    }
    *copy = *block;
    copy->next = NULL;
    *(group->list != NULL ? &group->list_end->next : &group->list) = copy;
    group->list_end = copy;
}

static void add_block(struct leaks_sum *sum, uint64_t size)
{
    sum->blocks++;
    sum->bytes += size;
}

uint32_t leaks_add(struct leaks *leaks, const struct leaks_group *like, const struct leaks_block *block)
{
    add_block(like->indirect ? &leaks->indirect : &leaks->direct, like->size);
    if (like->indirect && like->owner < leaks->group_count)
        add_block(&leaks->groups[like->owner].through, like->size);
    if (leaks->group_count == leaks->group_room && !grow(leaks)) {
        add_block(&leaks->ungrouped, like->size);
        return LEAKS_NO_GROUP;
    }
    uint32_t *found = look_up(leaks, like);
    if (*found == 0) {
        leaks->groups[leaks->group_count] = *like;
        *found = (uint32_t)++leaks->group_count;
    }
    add_block(&leaks->groups[*found - 1].sum, like->size);
    if (block != NULL)
        leaks_list(leaks, *found - 1, block);
    return *found - 1;
}

/* ---- in order ---------------------------------------------------------- */

static int compare_types(const struct leaks_group *one, const struct leaks_group *other)
{
    if (one->type == NULL || other->type == NULL)
        return (one->type != NULL) - (other->type != NULL);
    return strcmp(one->type, other->type);
}

static int compare_looks(const struct leaks_group *one, const struct leaks_group *other)
{
    if (one->indirect != other->indirect)
        return one->indirect ? 1 : -1;
    if (one->size != other->size)
        return one->size > other->size ? -1 : 1;
    if (one->entry != other->entry)
        return one->entry < other->entry ? -1 : 1;
    return compare_types(one, other);
}

static int by_looks(const void *a, const void *b)
{
    const struct leaks_group *one = a, *other = b;
    int order = compare_looks(one, other);
    if (order == 0 && one->list != NULL && other->list != NULL) /* so that their lists rise, for the most part */
        order = one->list->address < other->list->address ? -1 : 1;
    return order;
}

uint64_t leaks_total(const struct leaks_group *group)
{
    return group->sum.bytes + group->through.bytes;
}

static int by_bytes(const void *a, const void *b)
{
    const struct leaks_group *one = a, *other = b;
    if (one->indirect != other->indirect)
        return one->indirect ? 1 : -1;
    if (leaks_total(one) != leaks_total(other))
        return leaks_total(one) > leaks_total(other) ? -1 : 1;
    return compare_looks(one, other);
}

static void join(struct leaks_group *group, const struct leaks_group *other)
{
    group->sum.blocks += other->sum.blocks;
    group->sum.bytes += other->sum.bytes;
    group->through.blocks += other->through.blocks;
    group->through.bytes += other->through.bytes;
    if (other->list == NULL)
        return;
    *(group->list != NULL ? &group->list_end->next : &group->list) = other->list;
    group->list_end = other->list_end;
}

void leaks_sort(struct leaks *leaks)
{
    size_t kept = 0;
    if (leaks->group_count > 0)
        qsort(leaks->groups, leaks->group_count, sizeof *leaks->groups, by_looks);
    for (size_t i = 0; i < leaks->group_count; i++) {
        if (kept > 0 && compare_looks(&leaks->groups[kept - 1], &leaks->groups[i]) == 0)
            join(&leaks->groups[kept - 1], &leaks->groups[i]);
        else
            leaks->groups[kept++] = leaks->groups[i];
    }
    leaks->group_count = kept;
    if (kept > 0)
        qsort(leaks->groups, kept, sizeof *leaks->groups, by_bytes);
}
