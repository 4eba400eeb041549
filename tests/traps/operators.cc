/* SPDX-License-Identifier: MIT */
/*
 * A program that replaces the plain operator new and delete alone, or with ARRAYS those of arrays,
 * with a header before each block. By [new.delete] all other forms come down to these; one that came
 * from somewhere else would give the header to free.
 */
#include <cstdio>
#include <cstdlib>
#include <new>
#include <string>
#include <vector>

static const size_t header = 16, sign = 0x5169;
static long blocks;

#ifdef ARRAYS
#define REPLACED(name) operator name[]
#else
#define REPLACED(name) operator name
#endif

void *REPLACED(new)(size_t size)
{
    char *block = static_cast<char *>(std::malloc(size + header));
    if (block == nullptr)
        throw std::bad_alloc();
    *reinterpret_cast<size_t *>(block) = sign;
    blocks++;
    return block + header;
}

void REPLACED(delete)(void *block) noexcept
{
    if (block == nullptr)
        return;
    char *start = static_cast<char *>(block) - header;
    if (*reinterpret_cast<size_t *>(start) != sign) {
        std::puts("operator delete gets a block of others");
        std::_Exit(3);
    }
    *reinterpret_cast<size_t *>(start) = 0;
    blocks--;
    std::free(start);
}

struct thing {
    std::string text = std::string(100, 't');
    long number = 1;
};

/* Not inlined, nor seen to be needless. */
template <typename T> static T *seen(T *block)
{
    __asm__ volatile("" : "+r"(block)::"memory");
    return block;
}

int main()
{
    long before = blocks;
    {
        std::vector<thing> things(10);
        delete seen(new thing);
        delete[] seen(new thing[5]);
        delete seen(new (std::nothrow) thing);
        ::operator delete(seen(::operator new(40)), size_t(40));
        ::operator delete[](seen(::operator new[](40)), std::nothrow);
        thing *counted = seen(new thing[2]);
#ifdef ARRAYS
        if (blocks - before != 1)
            return 1;
#else
        if (blocks - before < 14)
            return 1;
#endif
        delete[] counted;
    }
    return blocks == before ? 0 : 2;
}
