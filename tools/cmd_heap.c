/* SPDX-License-Identifier: MIT */
/* hakmem heap: which blocks a process has, by type and by size. */
#define _GNU_SOURCE
#include "config.h"

#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>

#include "command.h"
#include "core_file.h"
#include "heap.h"
#include "number_text.h"
#include "profile_debug.h"
#include "profile_source.h"

static const char usage[] =
    "usage: hakmem heap [OPTION...] PID|NAME|FILE\n"
    "       hakmem heap --diff [OPTION...] OLD NEW\n"
    "\n"
    "Count the blocks that a process has allocated and not freed, by C++ type and by\n"
    "size. The type is known for objects of classes with virtual functions. The\n"
    "command reads the process's memory from outside, and stops the process\n"
    "meanwhile, so that the numbers are exact. FILE is a snapshot, as written by\n"
    "hakmem snapshot, or a core file.\n"
    "\n"
    "  -b, --blocks=WHICH   list blocks with address, size and type: the blocks of a\n"
    "                       type ('std::*'), a size (4K) or a range (4K-64K, 1M-)\n"
    "  -x, --hexdump[=N]    with --blocks, show the first N bytes of each block\n"
    "                       (default: 64)\n"
    "  -r, --rows=N         show the N types that use the most memory; 0 shows all\n"
    "                       (default: 30); with --blocks, the first N blocks\n"
    "                       (default: all)\n"
    "  -n, --no-stop        do not stop the process; blocks that change meanwhile may\n"
    "                       be counted incorrectly\n"
    "  -d, --diff           show the changes from OLD to NEW; each is a PID, NAME or\n"
    "                       FILE\n"
    "  -j, --json           print JSON\n"
    "  -h, --help           show this help\n"
    "\n"
    "Exit status: 0 on success, 1 on failure, 2 on incorrect usage.\n";

enum { ROWS_OF_TYPES = 30, DUMP = 64, DUMP_MOST = 4096 };

struct request {
    struct heap_request heap;
    const char *which; /* of --blocks */
    const char *type;  /* likewise, or NULL */
    size_t rows;       /* 0: all */
    bool diff, json;
};

static struct heap *read_source(const char *argument, const struct request *request)
{
    struct profile_source source;
    if (!profile_source_find(argument, &source))
        return NULL;
    if (source.path != NULL)
        return core_is_one(source.path) ? heap_read_core(source.path, &request->heap)
                                        : heap_read_snapshot(source.path, &request->heap);
    return heap_read_process(source.pid, &request->heap);
}

/* The type with the most memory whose name contains the text, in upper or lower case; NULL if none does. */
static const char *type_like(const struct heap *heap, const char *text)
{
    for (size_t i = 0; i < heap->type_count; i++)
        if (strcasestr(heap->types[i].type, text) != NULL)
            return heap->types[i].type;
    return NULL;
}

/* What a large block may use beyond what was asked for follows no rule that a single size could stand for. */
static void complain_of_none(const struct heap *heap, const struct request *request)
{
    uint64_t from = request->heap.list_from;
    const char *like = request->type != NULL ? type_like(heap, request->type) : NULL;
    if (like != NULL)
        command_error("no block in use has the type '%s'; a similar type is '%s'", request->which, like);
    else if (request->type != NULL)
        command_error("no block in use has the type '%s'; a block has the type of the whole object, not of a base "
                      "class", request->which);
    else if (from == request->heap.list_to && from > HAK_SMALL_MAX)
        command_error("no block in use has the size '%s'; blocks of more than 64 KiB may be larger than requested; "
                      "give a range, such as %" PRIu64 "-%" PRIu64, request->which, from, from + HAK_GRANULE);
    else
        command_error("no block in use has the size '%s'", request->which);
}

static int show_blocks(const struct heap *heap, const struct request *request)
{
    uint64_t found = request->json ? heap_write_blocks_json(stdout, heap, request->type)
                                   : heap_write_blocks(stdout, heap, request->type, request->rows);
    if (heap->left_out != 0)
        command_warning("out of memory: %" PRIu64 " more block%s not listed", heap->left_out,
                        number_s(heap->left_out));
    if (found == 0 && heap->left_out == 0)
        complain_of_none(heap, request);
    return found == 0 ? COMMAND_FAILED : COMMAND_OK;
}

static int show(struct heap *new, struct heap *old, const struct request *request)
{
    if (!heap_find_types(new) || (old != NULL && !heap_find_types(old)))
        return COMMAND_FAILED;
    if (!profile_debug_available)
        command_warning("hakmem was built without libdw, so no types are shown");
    if (request->heap.list)
        return command_end_output(show_blocks(new, request));
    if (old != NULL && request->json)
        heap_write_difference_json(stdout, new, old);
    else if (old != NULL)
        heap_write_difference(stdout, new, old, request->rows);
    else if (request->json)
        heap_write_json(stdout, new);
    else
        heap_write_text(stdout, new, request->rows);
    return command_end_output(COMMAND_OK);
}

static int run(const struct request *request, char **arguments)
{
    int status = COMMAND_FAILED;
    struct heap *old = request->diff ? read_source(arguments[0], request) : NULL;
    struct heap *new = !request->diff || old != NULL ? read_source(arguments[request->diff], request) : NULL;
    if (new != NULL)
        status = show(new, old, request);
    heap_free(old);
    heap_free(new);
    return status;
}

/* ---- the command line -------------------------------------------------- */

static int bad(const char *what, const char *text)
{
    command_error("%s '%s'; see hakmem heap --help", what, text);
    return COMMAND_USAGE;
}

static int wrong(const char *what)
{
    command_error("%s; see hakmem heap --help", what);
    return COMMAND_USAGE;
}

/* The usable bytes of blocks that a size is served by. */
static uint64_t usable(uint64_t size)
{
    return size <= HAK_SMALL_MAX ? hak__class_size(hak__class_of((size_t)size)) : size;
}

/* FROM-TO, where either may be left out, or one size; false if it is neither. */
static bool choose_sizes(struct heap_request *heap, const char *which)
{
    char from[32];
    const char *dash = strchr(which, '-');
    if (dash == NULL) {
        if (!number_parse(which, UINT64_MAX, true, &heap->list_from) || heap->list_from == 0)
            return false;
        heap->list_from = heap->list_to = usable(heap->list_from);
        return true;
    }
    heap->list_from = 0;
    heap->list_to = UINT64_MAX;
    size_t length = (size_t)(dash - which);
    if (length >= sizeof from || which[1] == '\0')
        return false;
    memcpy(from, which, length);
    from[length] = '\0';
    return (length == 0 || number_parse(from, UINT64_MAX, true, &heap->list_from)) &&
           (dash[1] == '\0' || number_parse(dash + 1, UINT64_MAX, true, &heap->list_to)) &&
           heap->list_to != 0 && heap->list_from <= heap->list_to;
}

/* No type begins with a digit or a dash. */
static bool choose_blocks(struct request *request, const char *which)
{
    bool by_size = *which == '-' || (*which >= '0' && *which <= '9');
    request->heap.list = true;
    request->heap.list_from = request->heap.list_to = 0;
    request->which = which;
    request->type = by_size ? NULL : which;
    return !by_size || choose_sizes(&request->heap, which);
}

static int check(const struct request *request, int arguments)
{
    int wanted = request->diff ? 2 : 1;
    if (request->diff && request->heap.list)
        return wrong("--diff and --blocks exclude each other");
    if (request->heap.dump != 0 && !request->heap.list)
        return wrong("--hexdump needs --blocks");
    if (arguments < wanted)
        return wrong(request->diff ? "--diff needs two processes or files, OLD and NEW" : "no process ID, name or file given");
    return arguments > wanted ? wrong("too many arguments") : COMMAND_OK;
}

/* Takes one option; an exit status, or -1 to go on. */
static int take(struct request *request, int option)
{
    uint64_t number = DUMP;
    switch (option) {
    case 'b':
        return choose_blocks(request, optarg) ? -1 : bad("invalid size or range of sizes:", optarg);
    case 'x':
        if (optarg != NULL && (!number_parse(optarg, DUMP_MOST, true, &number) || number == 0))
            return bad("invalid number of bytes:", optarg);
        request->heap.dump = (size_t)number;
        return -1;
    case 'r':
        if (!number_parse(optarg, INT_MAX, false, &number))
            return bad("invalid number of rows:", optarg);
        request->rows = (size_t)number;
        return -1;
    case 'n':
        request->heap.no_stop = true;
        return -1;
    case 'd':
        request->diff = true;
        return -1;
    case 'j':
        request->json = true;
        return -1;
    case 'h':
        fputs(usage, stdout);
        return command_end_output(COMMAND_OK);
    default:
        return COMMAND_USAGE;
    }
}

int cmd_heap(int argc, char **argv)
{
    static const struct option options[] = {{"blocks", required_argument, NULL, 'b'},
                                            {"hexdump", optional_argument, NULL, 'x'},
                                            {"rows", required_argument, NULL, 'r'},
                                            {"no-stop", no_argument, NULL, 'n'},
                                            {"diff", no_argument, NULL, 'd'},
                                            {"json", no_argument, NULL, 'j'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    static const size_t NOT_GIVEN = SIZE_MAX;
    struct request request = {.rows = NOT_GIVEN};
    for (int option; (option = getopt_long(argc, argv, "b:x::r:ndjh", options, NULL)) != -1;) {
        int status = take(&request, option);
        if (status >= 0)
            return status;
    }
    if (request.rows == NOT_GIVEN)
        request.rows = request.which != NULL ? 0 : ROWS_OF_TYPES;
    int status = check(&request, argc - optind);
    return status == COMMAND_OK ? run(&request, argv + optind) : status;
}
