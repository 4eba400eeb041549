/* SPDX-License-Identifier: MIT */
/*
 * The names in one file of code. profile_dwarf.c finds them in debugging information and symbol
 * tables; profile_nameless.c stands in for it in a command built without the libraries for that.
 */
#ifndef HAK_TOOLS_PROFILE_DEBUG_H
#define HAK_TOOLS_PROFILE_DEBUG_H

#include "profile.h"

struct profile_debug;

/*
 * Takes an open file, which it closes. NULL if it is no ELF file, or not the one of the mapping,
 * by its build ID.
 */
struct profile_debug *profile_debug_open(int fd, const char *path,
                                         const struct profile_mapping *mapping);
void profile_debug_close(struct profile_debug *debug);

/*
 * The functions at an offset in the file, the innermost first. Their texts are for the caller to
 * free. Returns how many, 0 if none is known.
 */
size_t profile_debug_lines(struct profile_debug *debug, uint64_t offset, struct profile_line *lines,
                           size_t most);

/*
 * The type whose virtual table has an address that objects may begin with, to be freed, or NULL.
 * distance: of the address from where the file's start is mapped.
 */
char *profile_debug_table(struct profile_debug *debug, uint64_t distance);

/* The type with a mangled name as the C++ ABI has it for typeid, to be freed, or NULL. */
char *profile_debug_type(const char *mangled);

/*
 * The name of the variable in which an address lies, to be freed, or NULL; and how far behind its start. distance: as
 * above.
 */
char *profile_debug_variable(struct profile_debug *debug, uint64_t distance, uint64_t *offset);

/* Whether this command can find names at all. */
extern const bool profile_debug_available;

#endif
