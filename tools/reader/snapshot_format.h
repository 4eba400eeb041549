/* SPDX-License-Identifier: MIT */
/*
 * The file of hakmem snapshot: memory of a process, as far as the command looks at it.
 *
 *     header | memory and words | ranges | starts | files | resident | threads | names
 *
 * Numbers have the byte order and sizes of the machine, which the header tells. All sections begin at
 * a multiple of 8 bytes. Ranges, starts, each kind of files, and what is resident stand by rising address and do not overlap.
 */
#ifndef HAK_TOOLS_READER_SNAPSHOT_FORMAT_H
#define HAK_TOOLS_READER_SNAPSHOT_FORMAT_H

#include <assert.h>
#include <stdint.h>

#define SNAPSHOT_MAGIC "hakshot"
enum { SNAPSHOT_VERSION = 2, SNAPSHOT_BUILD_ID_MOST = 32 };
#define SNAPSHOT_ORDER UINT32_C(0x01020304)

struct snapshot_section {
    uint64_t offset, count; /* of records; of names bytes */
};

struct snapshot_header {
    char magic[8];
    uint32_t version, header_size;
    uint32_t byte_order, pointer_size;
    uint64_t size;     /* of the file */
    uint64_t checksum; /* of all behind the header: snapshot_checksum */
    uint64_t page_size;
    uint64_t block;    /* the address of the statistics block */
    int64_t pid, taken; /* seconds since 1970 */
    uint64_t tenths;   /* of CLOCK_MONOTONIC then */
    uint64_t stopped_ns; /* 0: the process ran on */
    char name[32];     /* of the program */
    uint64_t residency_known, rss, peak, files, swapped, slabs, large, unused; /* struct residency */
    struct snapshot_section ranges, starts, mappings, residents, threads, names;
};

/* Memory; from 0 on are zeroes, which are not in the file. */
struct snapshot_range {
    uint64_t start, size, offset;
};

/* The first two words of blocks that lie `step` bytes apart. */
struct snapshot_starts {
    uint64_t start, step, count, offset;
};

/*
 * Resident bytes of the library's granules: of one granule, or the part of it from `start` on, or all bytes of
 * several granules.
 */
struct snapshot_resident {
    uint64_t start, bytes;
};

struct snapshot_thread {
    uint32_t own_tid; /* as gettid(2) says in its PID namespace */
    char name[20];    /* ended by a null byte */
};

enum snapshot_mapping_kind {
    SNAPSHOT_OBJECT, /* a whole file as it was loaded */
    SNAPSHOT_CODE    /* executable pages of one */
};

struct snapshot_mapping {
    uint64_t start, end, offset;
    uint32_t kind, deleted;
    uint32_t name;          /* where among the names its path begins, which a null byte ends */
    uint32_t build_id_size;
    unsigned char build_id[SNAPSHOT_BUILD_ID_MOST];
};

static_assert(sizeof(struct snapshot_header) % 8 == 0 && sizeof(struct snapshot_mapping) % 8 == 0 &&
                  sizeof(struct snapshot_thread) % 8 == 0,
              "what follows is aligned");

/* Goes on with a checksum, by whole words; it begins with 0. */
static inline uint64_t snapshot_checksum(uint64_t sum, const uint64_t *words, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        sum = (sum ^ words[i]) * UINT64_C(0x9e3779b97f4a7c15);
        sum ^= sum >> 32;
    }
    return sum;
}

#endif
