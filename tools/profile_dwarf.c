/* SPDX-License-Identifier: MIT */
/*
 * Names by elfutils: functions, inlined ones too, files and lines from DWARF; else functions from
 * the symbol tables. libdwfl looks for separate debugging information by build ID and name below
 * /usr/lib/debug, and asks servers if the user has set DEBUGINFOD_URLS.
 */
#define _GNU_SOURCE
#include "config.h"

#include <dwarf.h>
#include <elfutils/libdwelf.h>
#include <elfutils/libdwfl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "profile_debug.h"
#include "profile_demangle.h"
#include "profile_names.h"

const bool profile_debug_available = true;

/* Code of a compilation unit. */
struct range {
    Dwarf_Addr start, end;
    Dwarf_Die unit;
};

/* A virtual table. */
struct table {
    Dwarf_Addr start, end;
    const char *symbol;
};

struct profile_debug {
    Dwfl *dwfl;
    Dwfl_Module *module;
    Elf *elf;
    GElf_Addr bias;
    /* made when a unit is not found otherwise; by rising address */
    bool has_ranges;
    struct range *ranges;
    size_t range_count, range_room;
    Dwarf_Addr range_bias;
    /* likewise of the virtual tables */
    bool has_tables;
    struct table *tables;
    size_t table_count, table_room;
};

static const Dwfl_Callbacks callbacks = {
    .find_elf = dwfl_build_id_find_elf,
    .find_debuginfo = dwfl_standard_find_debuginfo,
    .section_address = dwfl_offline_section_address,
};

static bool is_file_of(Elf *elf, const struct profile_mapping *mapping)
{
    const void *id;
    if (mapping->build_id_size == 0)
        return !mapping->deleted;
    ssize_t size = dwelf_elf_gnu_build_id(elf, &id);
    return size >= 0 && (size_t)size == mapping->build_id_size &&
           memcmp(id, mapping->build_id, mapping->build_id_size) == 0;
}

struct profile_debug *profile_debug_open(int fd, const char *path,
                                         const struct profile_mapping *mapping)
{
    struct profile_debug *debug = calloc(1, sizeof *debug);
    Dwfl *dwfl = debug != NULL ? dwfl_begin(&callbacks) : NULL;
    if (dwfl == NULL) {
        close(fd);
        free(debug);
        return NULL;
    }
    debug->dwfl = dwfl;
    debug->module = dwfl_report_elf(dwfl, "", path, fd, 0, true);
    if (debug->module == NULL)
        close(fd); /* else it is the module's */
    dwfl_report_end(dwfl, NULL, NULL);
    if (debug->module != NULL)
        debug->elf = dwfl_module_getelf(debug->module, &debug->bias);
    if (debug->elf != NULL && is_file_of(debug->elf, mapping))
        return debug;
    profile_debug_close(debug);
    return NULL;
}

void profile_debug_close(struct profile_debug *debug)
{
    if (debug == NULL)
        return;
    free(debug->ranges);
    free(debug->tables);
    dwfl_end(debug->dwfl);
    free(debug);
}

/* ---- compilation units ------------------------------------------------- */

static int by_start(const void *a, const void *b)
{
    const struct range *one = a, *other = b;
    return one->start < other->start ? -1 : one->start > other->start;
}

static void add_ranges(struct profile_debug *debug, Dwarf_Die *unit)
{
    Dwarf_Addr base, start, end;
    ptrdiff_t offset = 0;
    while ((offset = dwarf_ranges(unit, offset, &base, &start, &end)) > 0) {
        if (debug->range_count == debug->range_room) {
            size_t room = debug->range_room == 0 ? 256 : 2 * debug->range_room;
            struct range *more = reallocarray(debug->ranges, room, sizeof *more);
            if (more == NULL)
                return;
            debug->ranges = more;
            debug->range_room = room;
        }
        debug->ranges[debug->range_count++] = (struct range){start, end, *unit};
    }
}

/* Some compilers write no .debug_aranges, by which libdw before 0.191 alone finds units. */
static Dwarf_Die *unit_by_ranges(struct profile_debug *debug, Dwarf_Addr address, Dwarf_Addr *bias)
{
    if (!debug->has_ranges) {
        debug->has_ranges = true;
        for (Dwarf_Die *unit = NULL;
             (unit = dwfl_module_nextcu(debug->module, unit, &debug->range_bias)) != NULL;)
            add_ranges(debug, unit);
        if (debug->range_count > 0)
            qsort(debug->ranges, debug->range_count, sizeof *debug->ranges, by_start);
    }
    *bias = debug->range_bias;
    address -= debug->range_bias;
    size_t low = 0, high = debug->range_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (debug->ranges[middle].start <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low > 0 && address < debug->ranges[low - 1].end ? &debug->ranges[low - 1].unit : NULL;
}

static Dwarf_Die *unit_of(struct profile_debug *debug, Dwarf_Addr address, Dwarf_Addr *bias)
{
    Dwarf_Die *unit = dwfl_module_addrdie(debug->module, address, bias);
    return unit != NULL ? unit : unit_by_ranges(debug, address, bias);
}

/* ---- names ------------------------------------------------------------- */

/* A text to be freed, or NULL. */
static char *copy_of(const char *text)
{
    char *copy = text != NULL ? strdup(text) : NULL;
    if (copy != NULL)
        profile_clean(copy);
    return copy;
}

static const char *attribute_text(Dwarf_Die *die, unsigned name)
{
    Dwarf_Attribute attribute;
    return dwarf_formstring(dwarf_attr_integrate(die, name, &attribute));
}

/* What a function is a copy or the definition of; the end of that chain is where it was declared. */
static void find_declaration(Dwarf_Die *die)
{
    static const unsigned links[] = {DW_AT_abstract_origin, DW_AT_specification};
    enum { STEPS_MOST = 8 };
    Dwarf_Attribute attribute;
    Dwarf_Die next;
    for (int i = 0; i < STEPS_MOST; i++) {
        Dwarf_Attribute *link = dwarf_attr(die, links[0], &attribute);
        if (link == NULL)
            link = dwarf_attr(die, links[1], &attribute);
        if (link == NULL || dwarf_formref_die(link, &next) == NULL)
            return;
        *die = next;
    }
}

/* Functions without a symbol, such as those of a class in a function, with the names around theirs. */
static char *qualified_name(Dwarf_Die *die)
{
    Dwarf_Die declaration = *die, *scopes = NULL;
    const char *name = attribute_text(die, DW_AT_name);
    char *text = NULL;
    size_t length;
    if (name == NULL)
        return NULL;
    find_declaration(&declaration);
    FILE *stream = open_memstream(&text, &length);
    if (stream == NULL)
        return NULL;
    int count = dwarf_getscopes_die(&declaration, &scopes);
    for (int i = count - 1; i > 0; i--) {
        int tag = dwarf_tag(&scopes[i]);
        bool is_class = tag == DW_TAG_class_type || tag == DW_TAG_structure_type ||
                        tag == DW_TAG_union_type;
        const char *around = dwarf_diename(&scopes[i]);
        if (is_class && around == NULL)
            around = strcmp(name, "operator()") == 0 ? "{lambda}" : "{unnamed}";
        if (tag == DW_TAG_namespace || is_class || (tag == DW_TAG_subprogram && around != NULL))
            fprintf(stream, "%s::", around != NULL ? around : "{anonymous}");
    }
    if (count > 0)
        free(scopes);
    fputs(name, stream);
    if (fclose(stream) == 0)
        return text;
    free(text);
    return NULL;
}

static char *function_name(Dwarf_Die *die)
{
    const char *symbol = attribute_text(die, DW_AT_linkage_name);
    if (symbol == NULL)
        symbol = attribute_text(die, DW_AT_MIPS_linkage_name);
    if (symbol != NULL)
        return profile_name_of_symbol(symbol);
    char *name = qualified_name(die);
    if (name != NULL)
        profile_tidy_name(name);
    return name;
}

static unsigned attribute_number(Dwarf_Die *die, unsigned name)
{
    Dwarf_Attribute attribute;
    Dwarf_Word number;
    if (dwarf_formudata(dwarf_attr(die, name, &attribute), &number) != 0 || number > UINT32_MAX)
        return 0;
    return (unsigned)number;
}

static const char *call_file(Dwarf_Die *unit, Dwarf_Die *call)
{
    Dwarf_Files *files;
    size_t count, number = attribute_number(call, DW_AT_call_file);
    if (dwarf_getsrcfiles(unit, &files, &count) != 0 || number >= count)
        return NULL;
    return dwarf_filesrc(files, number, NULL, NULL);
}

/* ---- scopes ------------------------------------------------------------ */

enum { NESTING_MOST = 64 };

/*
 * The function that has an address, which may lie in namespaces and types. dwarf_getscopes does not
 * look there, where Rust has its functions.
 */
static bool find_function(Dwarf_Die *parent, Dwarf_Addr address, Dwarf_Die *function, unsigned nesting)
{
    Dwarf_Die child;
    if (nesting > NESTING_MOST || dwarf_child(parent, &child) != 0)
        return false;
    do {
        switch (dwarf_tag(&child)) {
        case DW_TAG_subprogram:
            if (dwarf_haspc(&child, address) > 0) {
                *function = child;
                return true;
            }
            break;
        case DW_TAG_namespace:
        case DW_TAG_module:
        case DW_TAG_class_type:
        case DW_TAG_structure_type:
        case DW_TAG_union_type:
        case DW_TAG_enumeration_type:
            if (find_function(&child, address, function, nesting + 1))
                return true;
            break;
        default:
            break;
        }
    } while (dwarf_siblingof(&child, &child) == 0);
    return false;
}

/* The part of a scope that has an address: a block, an inlined function, or one that is nested. */
static bool find_part(Dwarf_Die *scope, Dwarf_Addr address, Dwarf_Die *part)
{
    if (dwarf_child(scope, part) != 0)
        return false;
    do {
        switch (dwarf_tag(part)) {
        case DW_TAG_subprogram:
        case DW_TAG_inlined_subroutine:
        case DW_TAG_lexical_block:
        case DW_TAG_try_block:
        case DW_TAG_catch_block:
            if (dwarf_haspc(part, address) > 0)
                return true;
            break;
        default:
            break;
        }
    } while (dwarf_siblingof(part, part) == 0);
    return false;
}

/* From the innermost scope outwards: functions that were inlined, and where they were called. */
static size_t lines_of_scopes(Dwarf_Die *unit, Dwarf_Addr address, Dwarf_Die *scopes, size_t count,
                              struct profile_line *lines, size_t most)
{
    size_t found = 0;
    int number = 0;
    Dwarf_Line *row = dwarf_getsrc_die(unit, address);
    const char *file = row != NULL ? dwarf_linesrc(row, NULL, NULL) : NULL;
    if (row == NULL || dwarf_lineno(row, &number) != 0 || number < 0)
        number = 0;
    unsigned line = (unsigned)number;
    for (size_t i = count; i-- > 0 && found < most;) {
        lines[found].function = function_name(&scopes[i]);
        if (lines[found].function == NULL)
            break;
        lines[found].file = copy_of(file);
        lines[found++].line = line;
        file = call_file(unit, &scopes[i]);
        line = attribute_number(&scopes[i], DW_AT_call_line);
    }
    return found;
}

static size_t lines_of_unit(Dwarf_Die *unit, Dwarf_Addr address, struct profile_line *lines,
                            size_t most)
{
    Dwarf_Die scopes[NESTING_MOST], scope; /* the function, then what was inlined in it */
    size_t count = 0;
    if (!find_function(unit, address, &scope, 0))
        return 0;
    scopes[count++] = scope;
    for (int i = 0; i < 2 * NESTING_MOST && count < NESTING_MOST; i++) {
        Dwarf_Die part;
        if (!find_part(&scope, address, &part))
            break;
        scope = part;
        if (dwarf_tag(&scope) == DW_TAG_subprogram)
            count = 0;
        if (dwarf_tag(&scope) == DW_TAG_subprogram || dwarf_tag(&scope) == DW_TAG_inlined_subroutine)
            scopes[count++] = scope;
    }
    return lines_of_scopes(unit, address, scopes, count, lines, most);
}

static size_t line_of_symbol(struct profile_debug *debug, GElf_Addr address,
                             struct profile_line *lines)
{
    GElf_Off offset;
    GElf_Sym symbol;
    const char *name =
        dwfl_module_addrinfo(debug->module, address, &offset, &symbol, NULL, NULL, NULL);
    if (name == NULL || *name == '\0')
        return 0;
    lines[0] = (struct profile_line){.function = profile_name_of_symbol(name)};
    return lines[0].function != NULL;
}

/* Where the loader would put an offset in the file. */
static bool address_of(const struct profile_debug *debug, uint64_t offset, GElf_Addr *address)
{
    size_t count;
    if (elf_getphdrnum(debug->elf, &count) != 0)
        return false;
    for (size_t i = 0; i < count && i <= INT32_MAX; i++) {
        GElf_Phdr header;
        if (gelf_getphdr(debug->elf, (int)i, &header) != NULL && header.p_type == PT_LOAD &&
            offset >= header.p_offset && offset - header.p_offset < header.p_filesz) {
            *address = offset - header.p_offset + header.p_vaddr + debug->bias;
            return true;
        }
    }
    return false;
}

size_t profile_debug_lines(struct profile_debug *debug, uint64_t offset, struct profile_line *lines,
                           size_t most)
{
    GElf_Addr address;
    Dwarf_Addr bias;
    if (!address_of(debug, offset, &address))
        return 0;
    Dwarf_Die *unit = unit_of(debug, address, &bias);
    size_t found = unit != NULL ? lines_of_unit(unit, address - bias, lines, most) : 0;
    return found > 0 ? found : line_of_symbol(debug, address, lines);
}

/* ---- virtual tables ---------------------------------------------------- */

static int by_table_start(const void *a, const void *b)
{
    const struct table *one = a, *other = b;
    return one->start < other->start ? -1 : one->start > other->start;
}

static bool add_table(struct profile_debug *debug, Dwarf_Addr start, Dwarf_Addr size, const char *symbol)
{
    if (debug->table_count == debug->table_room) {
        size_t room = debug->table_room == 0 ? 256 : 2 * debug->table_room;
        struct table *more = reallocarray(debug->tables, room, sizeof *more);
        if (more == NULL)
            return false;
        debug->tables = more;
        debug->table_room = room;
    }
    debug->tables[debug->table_count++] = (struct table){start, start + size, symbol};
    return true;
}

static void find_tables(struct profile_debug *debug)
{
    int count = dwfl_module_getsymtab(debug->module);
    for (int i = 0; i < count; i++) {
        GElf_Sym symbol;
        GElf_Addr address;
        const char *name = dwfl_module_getsym_info(debug->module, i, &symbol, &address, NULL, NULL, NULL);
        if (name != NULL && strncmp(name, "_ZTV", 4) == 0 && symbol.st_shndx != SHN_UNDEF &&
            !add_table(debug, address, symbol.st_size, name))
            break;
    }
    debug->has_tables = true;
    if (debug->table_count > 0)
        qsort(debug->tables, debug->table_count, sizeof *debug->tables, by_table_start);
}

/*
 * The type to which a virtual table belongs, by the table's symbol; NULL where the symbol is of something else.
 * Without a demangler it is the symbol itself.
 */
static char *type_of_table(const char *symbol)
{
    static const char table_of[] = "vtable for ";
    char *name = profile_name_of_symbol(symbol);
    if (name == NULL || !profile_demangle_available)
        return name;
    size_t length = strlen(name), before = sizeof table_of - 1;
    if (length <= before || memcmp(name, table_of, before) != 0) {
        free(name);
        return NULL;
    }
    memmove(name, name + before, length + 1 - before);
    return name;
}

/*
 * Objects point behind the first two words, or further in where bases are virtual. The last of several
 * symbols for one address counts.
 */
char *profile_debug_table(struct profile_debug *debug, uint64_t distance)
{
    GElf_Addr start;
    if (!address_of(debug, 0, &start))
        return NULL;
    if (!debug->has_tables)
        find_tables(debug);
    GElf_Addr address = start + distance;
    size_t low = 0, high = debug->table_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (debug->tables[middle].start <= address)
            low = middle + 1;
        else
            high = middle;
    }
    const struct table *table = low > 0 ? &debug->tables[low - 1] : NULL;
    if (table == NULL || address >= table->end || address - table->start < 2 * sizeof(void *))
        return NULL;
    return type_of_table(table->symbol);
}

char *profile_debug_type(const char *mangled)
{
    char *symbol = NULL;
    if (asprintf(&symbol, "_ZTV%s", mangled) < 0)
        return NULL;
    char *type = type_of_table(symbol);
    free(symbol);
    return type;
}

/* ---- variables --------------------------------------------------------- */

char *profile_debug_variable(struct profile_debug *debug, uint64_t distance, uint64_t *offset)
{
    GElf_Addr start;
    GElf_Off behind;
    GElf_Sym symbol;
    if (!address_of(debug, 0, &start))
        return NULL;
    const char *name = dwfl_module_addrinfo(debug->module, start + distance, &behind, &symbol, NULL, NULL, NULL);
    if (name == NULL || *name == '\0' || behind >= symbol.st_size)
        return NULL;
    *offset = behind;
    return profile_name_of_symbol(name);
}
