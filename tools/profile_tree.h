/* SPDX-License-Identifier: MIT */
/*
 * The call tree of a profile: the entries' stacks from their outermost function inwards, with equal
 * beginnings laid together. A node is one function of one file, called by what its parent is.
 *
 * In a difference a node can have grown here and shrunk there: its width is the sum of both.
 */
#ifndef HAK_TOOLS_PROFILE_TREE_H
#define HAK_TOOLS_PROFILE_TREE_H

#include "profile.h"

/* A program or shared library. */
struct tree_library {
    char *name;    /* without its folder; "" stands for code that is in no file */
    double bytes;  /* allocated directly by its functions; of a difference: grown and shrunk by */
    double widths; /* the sum of its nodes' widths */
    size_t rank;   /* by bytes, then by widths, from 0 on */
};

/* A place in a function's source that calls were made from. */
struct tree_line {
    const char *file;
    unsigned line;
    double bytes;
    struct tree_line *next;
};

struct tree_node {
    const char *function;                    /* as long as the symbols of the profile are open */
    struct tree_library *library;            /* NULL: the root */
    struct tree_node *parent, *child, *next; /* children by falling width, then by name */
    struct tree_line *lines;                 /* by falling size */
    struct profile_sum self, total;          /* total = self + that of all children */
    double width;                            /* in bytes; >= the sum of the children's */
    double start; /* where it begins when siblings stand side by side: the parent's, plus the widths
                     before it */
    size_t depth; /* 0: the root */
    size_t number;
};

struct profile_tree {
    struct tree_node **nodes; /* parents before their children; nodes[0] is the root */
    size_t count, room;
    struct tree_library **libraries; /* by rank */
    size_t library_count;
    bool difference;                 /* of two profiles */
    void *by_name, *library_by_name; /* trees of tsearch(3) */
};

/* Builds the tree of a profile whose symbols are open; false without memory. To be freed in any
 * case. */
bool profile_tree_build(struct profile_tree *tree, const struct profile *profile,
                        enum profile_view view);
void profile_tree_free(struct profile_tree *tree);

/* The node that follows in an order in which each node comes before its children; NULL after the
 * last. */
struct tree_node *profile_tree_next(struct tree_node *node);

#endif
