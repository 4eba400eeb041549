/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "profile_tree.h"

#include <errno.h>
#include <math.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

/* ---- libraries --------------------------------------------------------- */

static int compare_libraries(const void *a, const void *b)
{
    const struct tree_library *one = a, *other = b;
    return strcmp(one->name, other->name);
}

static int compare_ranks(const void *a, const void *b)
{
    const struct tree_library *one = *(struct tree_library *const *)a;
    const struct tree_library *other = *(struct tree_library *const *)b;
    if (one->bytes != other->bytes)
        return one->bytes > other->bytes ? -1 : 1;
    if (one->widths != other->widths)
        return one->widths > other->widths ? -1 : 1;
    return strcmp(one->name, other->name);
}

/* NULL without memory. */
static struct tree_library *library_of(struct profile_tree *tree,
                                       const struct profile_mapping *mapping)
{
    const char *path = mapping != NULL ? mapping->path : "";
    const char *slash = strrchr(path, '/');
    struct tree_library key = {.name = (char *)(uintptr_t)(slash != NULL ? slash + 1 : path)};
    struct tree_library **found = tfind(&key, &tree->library_by_name, compare_libraries);
    if (found != NULL)
        return *found;
    struct tree_library **more =
        reallocarray(tree->libraries, tree->library_count + 1, sizeof *more);
    struct tree_library *library = more != NULL ? calloc(1, sizeof *library) : NULL;
    tree->libraries = more != NULL ? more : tree->libraries;
    if (library == NULL)
        return NULL;
    tree->libraries[tree->library_count++] = library;
    library->name = strdup(key.name);
    if (library->name == NULL ||
        tsearch(library, &tree->library_by_name, compare_libraries) == NULL)
        return NULL;
    return library;
}

/* ---- nodes ------------------------------------------------------------- */

static int compare_keys(const void *a, const void *b)
{
    const struct tree_node *one = a, *other = b;
    if (one->parent != other->parent)
        return one->parent->number < other->parent->number ? -1 : 1;
    int order = strcmp(one->function, other->function);
    return order != 0 ? order : strcmp(one->library->name, other->library->name);
}

static struct tree_node *add_node(struct profile_tree *tree, const struct tree_node *key)
{
    if (tree->count == tree->room) {
        size_t room = 2 * tree->room + 64;
        struct tree_node **more = reallocarray(tree->nodes, room, sizeof *more);
        if (more == NULL)
            return NULL;
        tree->nodes = more;
        tree->room = room;
    }
    struct tree_node *node = malloc(sizeof *node);
    if (node == NULL)
        return NULL;
    *node = *key;
    node->number = tree->count;
    tree->nodes[tree->count++] = node;
    return node;
}

/* The child of a node for a function; NULL without memory. */
static struct tree_node *child_of(struct profile_tree *tree, struct tree_node *parent,
                                  const struct profile_line *line)
{
    struct tree_node key = {.function = line->function,
                            .library = library_of(tree, line->mapping),
                            .parent = parent,
                            .depth = parent->depth + 1};
    if (key.library == NULL)
        return NULL;
    struct tree_node **found = tfind(&key, &tree->by_name, compare_keys);
    if (found != NULL)
        return *found;
    struct tree_node *node = add_node(tree, &key);
    if (node == NULL || tsearch(node, &tree->by_name, compare_keys) == NULL)
        return NULL;
    return node;
}

static bool add_line(struct tree_node *node, const struct profile_line *from, double bytes)
{
    struct tree_line **at = &node->lines;
    if (from->file == NULL)
        return true;
    while (*at != NULL && ((*at)->line != from->line || strcmp((*at)->file, from->file) != 0))
        at = &(*at)->next;
    if (*at == NULL) {
        if ((*at = calloc(1, sizeof **at)) == NULL)
            return false;
        (*at)->file = from->file;
        (*at)->line = from->line;
    }
    (*at)->bytes += bytes;
    return true;
}

static bool add_entry(struct profile_tree *tree, const struct profile *profile,
                      const struct profile_entry *entry, enum profile_view view)
{
    const struct profile_line *lines[PROFILE_LINES_MOST];
    size_t count = profile_lines(profile, entry, lines, PROFILE_LINES_MOST);
    const struct profile_sum *sum = &entry->sum[view];
    struct tree_node *node = tree->nodes[0];
    if (sum->bytes == 0 && sum->blocks == 0)
        return true;
    for (size_t i = count; i-- > 0;) {
        node = child_of(tree, node, lines[i]);
        if (node == NULL || !add_line(node, lines[i], sum->bytes))
            return false;
    }
    node->self.bytes += sum->bytes;
    node->self.blocks += sum->blocks;
    return true;
}

/* ---- what follows from the entries ------------------------------------- */

static void add_up(struct profile_tree *tree)
{
    for (size_t i = tree->count; i-- > 0;) {
        struct tree_node *node = tree->nodes[i], *parent = node->parent;
        node->total.bytes += node->self.bytes;
        node->total.blocks += node->self.blocks;
        node->width += fabs(node->self.bytes);
        if (parent != NULL) {
            parent->total.bytes += node->total.bytes;
            parent->total.blocks += node->total.blocks;
            parent->width += node->width;
            node->library->bytes += fabs(node->self.bytes);
            node->library->widths += node->width;
        }
    }
}

/* The last comes first. */
static int compare_siblings(const void *a, const void *b)
{
    const struct tree_node *one = *(struct tree_node *const *)a;
    const struct tree_node *other = *(struct tree_node *const *)b;
    if (one->width != other->width)
        return one->width < other->width ? -1 : 1;
    int order = strcmp(other->function, one->function);
    return order != 0 ? order : strcmp(other->library->name, one->library->name);
}

/* Lists the children of each node by their width. */
static bool link_children(struct profile_tree *tree)
{
    struct tree_node **sorted = calloc(tree->count, sizeof *sorted);
    if (sorted == NULL)
        return false;
    memcpy(sorted, tree->nodes, tree->count * sizeof *sorted);
    qsort(sorted + 1, tree->count - 1, sizeof *sorted, compare_siblings);
    for (size_t i = 1; i < tree->count; i++) {
        sorted[i]->next = sorted[i]->parent->child;
        sorted[i]->parent->child = sorted[i];
    }
    free(sorted);
    return true;
}

static void place_nodes(struct profile_tree *tree)
{
    for (struct tree_node *node = tree->nodes[0]; node != NULL; node = profile_tree_next(node)) {
        double start = node->start;
        for (struct tree_node *child = node->child; child != NULL; child = child->next) {
            child->start = start;
            start += child->width;
        }
    }
}

/* By insertion: lines are few. */
static void sort_lines(struct tree_node *node)
{
    struct tree_line *rest = node->lines;
    node->lines = NULL;
    while (rest != NULL) {
        struct tree_line *line = rest, **at = &node->lines;
        rest = rest->next;
        while (*at != NULL && fabs((*at)->bytes) >= fabs(line->bytes))
            at = &(*at)->next;
        line->next = *at;
        *at = line;
    }
}

bool profile_tree_build(struct profile_tree *tree, const struct profile *profile,
                        enum profile_view view)
{
    *tree = (struct profile_tree){0};
    tree->difference = profile->is_difference;
    bool good = add_node(tree, &(struct tree_node){.function = ""}) != NULL;
    for (size_t i = 0; good && i < profile->entry_count; i++)
        good = add_entry(tree, profile, &profile->entries[i], view);
    if (good) {
        add_up(tree);
        good = link_children(tree);
    }
    if (!good) {
        errno = ENOMEM;
        return false;
    }
    place_nodes(tree);
    for (size_t i = 0; i < tree->count; i++)
        sort_lines(tree->nodes[i]);
    if (tree->library_count > 0)
        qsort(tree->libraries, tree->library_count, sizeof *tree->libraries, compare_ranks);
    for (size_t i = 0; i < tree->library_count; i++)
        tree->libraries[i]->rank = i;
    return true;
}

static void keep(void *node)
{
    (void)node;
}

void profile_tree_free(struct profile_tree *tree)
{
    tdestroy(tree->by_name, keep);
    tdestroy(tree->library_by_name, keep);
    for (size_t i = 0; i < tree->count; i++) {
        for (struct tree_line *line; (line = tree->nodes[i]->lines) != NULL;) {
            tree->nodes[i]->lines = line->next;
            free(line);
        }
        free(tree->nodes[i]);
    }
    for (size_t i = 0; i < tree->library_count; i++) {
        free(tree->libraries[i]->name);
        free(tree->libraries[i]);
    }
    free(tree->nodes);
    free(tree->libraries);
    *tree = (struct profile_tree){0};
}

struct tree_node *profile_tree_next(struct tree_node *node)
{
    if (node->child != NULL)
        return node->child;
    while (node != NULL && node->next == NULL)
        node = node->parent;
    return node != NULL ? node->next : NULL;
}
