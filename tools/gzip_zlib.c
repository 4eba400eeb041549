/* SPDX-License-Identifier: MIT */
#include "gzip.h"

#include <errno.h>
#include <limits.h>
#define ZLIB_CONST
#include <zlib.h>

enum { WINDOW_BITS = 15, GZIP_FORMAT = 16, MEMORY_LEVEL = 8, CHUNK = 1 << 16 };

/* Compresses what the stream was given; false with errno. */
static bool write_compressed(FILE *out, z_stream *stream, int flush)
{
    unsigned char chunk[CHUNK];
    do {
        stream->next_out = chunk;
        stream->avail_out = sizeof chunk;
        deflate(stream, flush);
        size_t size = sizeof chunk - stream->avail_out;
        if (fwrite(chunk, 1, size, out) != size)
            return false;
    } while (stream->avail_out == 0);
    return true;
}

bool gzip_write(FILE *out, const void *bytes, size_t size)
{
    z_stream stream = {.next_in = bytes};
    bool good = true, last = false;
    if (deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, WINDOW_BITS + GZIP_FORMAT,
                     MEMORY_LEVEL, Z_DEFAULT_STRATEGY) != Z_OK) {
        errno = ENOMEM;
        return false;
    }
    while (good && !last) {
        stream.avail_in = size < UINT_MAX ? (uInt)size : UINT_MAX;
        size -= stream.avail_in;
        last = size == 0;
        good = write_compressed(out, &stream, last ? Z_FINISH : Z_NO_FLUSH);
    }
    int error = errno;
    deflateEnd(&stream);
    errno = error;
    return good;
}
