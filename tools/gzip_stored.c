/* SPDX-License-Identifier: MIT */
/* A gzip file whose blocks are stored as they are (RFC 1951, 3.2.4). */
#include "gzip.h"

#include <stdint.h>

enum { BLOCK_MOST = 65535 };

/* The CRC-32 of RFC 1952, four bits at a time. */
static uint32_t crc_of(const unsigned char *bytes, size_t size)
{
    static const uint32_t table[16] = {0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac,
                                       0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
                                       0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
                                       0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c};
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < size; i++) {
        crc ^= bytes[i];
        crc = crc >> 4 ^ table[crc & 15];
        crc = crc >> 4 ^ table[crc & 15];
    }
    return ~crc;
}

static void put_little_endian(FILE *out, uint32_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        putc((int)(value >> 8 * i & 0xff), out);
}

bool gzip_write(FILE *out, const void *bytes, size_t size)
{
    /* the method deflate, no flags, no time, no hint, written by Unix */
    static const unsigned char header[] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3};
    const unsigned char *from = bytes;
    size_t rest = size;
    fwrite(header, 1, sizeof header, out);
    do {
        uint32_t length = rest < BLOCK_MOST ? (uint32_t)rest : BLOCK_MOST;
        rest -= length;
        putc(rest == 0, out);
        put_little_endian(out, length, 2);
        put_little_endian(out, ~length, 2);
        fwrite(from, 1, length, out);
        from += length;
    } while (rest > 0 && !ferror(out));
    put_little_endian(out, crc_of(bytes, size), 4);
    put_little_endian(out, (uint32_t)size, 4);
    return !ferror(out);
}
