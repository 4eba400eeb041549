/* SPDX-License-Identifier: MIT */
/*
 * One heap for libraries that look in their own dependencies first.
 *
 * The dynamic linker looks a library that was opened with RTLD_DEEPBIND up in its own scope before
 * that of the program, and there it finds the C library, whose free knows no block of ours. The
 * library wants that order for names of its own, not for these. So the symbols of the C library
 * that name its allocation functions are made to lead to ours: the values in its table of dynamic
 * symbols, in the pages that this process has of it. All versions of a name are; names that begin
 * with __libc_ are not, so that its allocator remains for those that mean it.
 *
 * None of these functions passes a call on while this malloc serves the program. So whoever finds
 * them with dlsym(RTLD_NEXT) after that, behind us, ends here and goes round no circle.
 *
 * The table is written inside of dl_iterate_phdr, which lets one thread in at a time, and while
 * others read it: each value is stored at once, and is right before and after. What is done twice,
 * after a fork in the middle, does no harm.
 */
#define _GNU_SOURCE
#include "api/deepbind.h"

#include <elf.h>
#include <link.h>
#include <stdint.h>
#include <string.h>

#include "api/visible.h"
#include "base/atomic.h"
#include "base/bits.h"
#include "front/front.h"
#include "os/os.h"

/* Of the GNU C library alone, and of that which is in this namespace. */
extern void *__libc_malloc(size_t size) __attribute__((weak));

/* A table of dynamic symbols; where it lies in memory. */
struct table {
    uintptr_t base; /* of its object: what the values of symbols are relative to */
    ElfW(Sym) * symbol;
    size_t count;
    const char *strings;
};

/* What passes nothing on to the C library while this malloc serves; prctl makes a system call. */
static const char names[][20] = {
    "malloc",         "free",          "calloc",      "realloc",       "reallocarray",
    "posix_memalign", "aligned_alloc", "memalign",    "valloc",        "pvalloc",
    "cfree",          "free_sized",    "mallinfo",    "mallinfo2",     "malloc_info",
    "malloc_stats",   "malloc_trim",   "mallopt",     "prctl",         "malloc_usable_size",
    "free_aligned_sized",
};

static _Atomic bool taken; /* inside of dl_iterate_phdr, to true */

/* The loaded part of an object that holds an address, or NULL. */
static const ElfW(Phdr) * segment_of(const struct dl_phdr_info *info, uintptr_t address)
{
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
        uintptr_t offset = address - (info->dlpi_addr + segment->p_vaddr);
        if (segment->p_type == PT_LOAD && offset < segment->p_memsz)
            return segment;
    }
    return NULL;
}

/* The chains of the table are in the order of its symbols; the last symbol ends one of them. */
static size_t count_by_gnu_hash(const uint32_t *hash)
{
    uint32_t buckets = hash[0], first = hash[1], words = hash[2], last = 0;
    const uint32_t *bucket = hash + 4 + (size_t)words * (sizeof(ElfW(Addr)) / sizeof *hash);
    const uint32_t *chain = bucket + buckets;
    for (uint32_t i = 0; i < buckets; i++)
        last = bucket[i] > last ? bucket[i] : last;
    if (last < first)
        return 0;
    while ((chain[last - first] & 1) == 0)
        last++;
    return (size_t)last + 1;
}

static const ElfW(Dyn) * dynamic_of(const struct dl_phdr_info *info)
{
    for (int i = 0; i < info->dlpi_phnum; i++)
        if (info->dlpi_phdr[i].p_type == PT_DYNAMIC)
            return (const ElfW(Dyn) *)(info->dlpi_addr + info->dlpi_phdr[i].p_vaddr);
    return NULL;
}

/* The dynamic linker has made addresses of what the file has relative, but not on all machines. */
static struct table table_of(const struct dl_phdr_info *info)
{
    struct table table = {.base = info->dlpi_addr};
    const ElfW(Dyn) *entry = dynamic_of(info);
    for (; entry != NULL && entry->d_tag != DT_NULL; entry++) {
        uintptr_t address = entry->d_un.d_ptr;
        if (address < table.base)
            address += table.base;
        if (entry->d_tag == DT_SYMTAB)
            table.symbol = (ElfW(Sym) *)address;
        else if (entry->d_tag == DT_STRTAB)
            table.strings = (const char *)address;
        else if (entry->d_tag == DT_GNU_HASH)
            table.count = count_by_gnu_hash((const uint32_t *)address);
        else if (entry->d_tag == DT_HASH && table.count == 0)
            table.count = ((const uint32_t *)address)[1];
    }
    return table;
}

static bool is_usable(const struct table *table)
{
    return table->symbol != NULL && table->strings != NULL && table->count != 0;
}

static bool is_defined(const ElfW(Sym) * symbol)
{
    return symbol->st_shndx != SHN_UNDEF && symbol->st_shndx < SHN_LORESERVE &&
           ELF32_ST_TYPE(symbol->st_info) == STT_FUNC;
}

static bool is_taken(const char *name)
{
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

/* What a name leads to in a table, or 0. */
static uintptr_t find(const struct table *table, const char *name)
{
    for (size_t i = 0; i < table->count; i++)
        if (is_defined(&table->symbol[i]) &&
            strcmp(table->strings + table->symbol[i].st_name, name) == 0)
            return table->base + table->symbol[i].st_value;
    return 0;
}

static void write_names(const struct table *libc, const struct table *own)
{
    for (size_t i = 0; i < libc->count; i++) {
        const char *name = libc->strings + libc->symbol[i].st_name;
        if (!is_defined(&libc->symbol[i]) || !is_taken(name))
            continue;
        uintptr_t function = find(own, name);
        _Atomic(ElfW(Addr)) *value = (void *)&libc->symbol[i].st_value;
        if (function != 0)
            hak_store_relaxed(value, function - libc->base);
    }
}

/* Only where the table may be read and nothing else: code is never made writable. */
static bool take_names(const struct dl_phdr_info *info, const struct table *own)
{
    struct table libc = table_of(info);
    if (!is_usable(&libc))
        return false;
    uintptr_t start = (uintptr_t)libc.symbol, end = (uintptr_t)(libc.symbol + libc.count);
    const ElfW(Phdr) *segment = segment_of(info, start);
    if (segment == NULL || segment != segment_of(info, end - 1) || segment->p_flags != PF_R)
        return false;
    size_t page = hak__os_page_size();
    start = start / page * page;
    end = hak__align_up(end, page);
    if (!hak__os_protect((void *)start, end - start, true))
        return false;
    write_names(&libc, own);
    hak__os_protect((void *)start, end - start, false);
    return true;
}

/* Our own names come from our own table: what is hidden there is nobody's. */
static int find_own(struct dl_phdr_info *info, size_t size, void *own)
{
    (void)size;
    if (segment_of(info, (uintptr_t)&hak__own_malloc) == NULL)
        return 0;
    *(struct table *)own = table_of(info);
    return 1;
}

static int take_if_libc(struct dl_phdr_info *info, size_t size, void *own)
{
    (void)size;
    if (segment_of(info, (uintptr_t)&__libc_malloc) == NULL)
        return 0;
    if (!hak_load_relaxed(&taken))
        hak_store_release(&taken, take_names(info, own));
    return 1;
}

bool hak__take_libc_names(void)
{
    struct table own = {0};
    if (hak_load_acquire(&taken))
        return true;
    if (!hak__libc_has_malloc() || dl_iterate_phdr(find_own, &own) == 0 || !is_usable(&own) ||
        find(&own, "malloc") != (uintptr_t)&hak__own_malloc || find(&own, "free") == 0)
        return false;
    dl_iterate_phdr(take_if_libc, &own);
    return hak_load_acquire(&taken);
}
