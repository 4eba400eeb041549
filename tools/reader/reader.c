/* SPDX-License-Identifier: MIT */
#include "reader/reader.h"

static bool may_read(struct reader *reader)
{
    if (reader->reads_left == 0) {
        reader->failure = READER_TOO_MUCH;
        return false;
    }
    reader->reads_left--;
    return true;
}

bool reader_read(struct reader *reader, uintptr_t from, void *to, size_t size)
{
    return may_read(reader) && remote_read(reader->memory, from, to, size);
}

bool reader_read_starts(struct reader *reader, uintptr_t from, size_t step, size_t count,
                        uint64_t (*words)[2])
{
    return may_read(reader) && remote_read_starts(reader->memory, from, step, count, words);
}

bool reader_read_root(struct reader *reader, uintptr_t from, void *to, size_t size)
{
    if (reader_read(reader, from, to, size))
        return true;
    if (reader->failure == READER_DONE)
        reader->failure = READER_UNREADABLE;
    return false;
}

bool reader_pass_over(struct reader *reader)
{
    reader->summary->passed_over++;
    return reader->failure == READER_DONE;
}

const char *reader_failure(enum reader_result result)
{
    switch (result) {
    case READER_UNREADABLE:
        return "has damaged records: they lead to memory that does not exist";
    case READER_DAMAGED:
        return "has damaged records: a list leads back to itself";
    case READER_TOO_MUCH:
        return "has too many records, or damaged ones: there is more to read than is allowed";
    case READER_NO_MEMORY:
        return "has more records than this command has memory for";
    default:
        return "was read";
    }
}
