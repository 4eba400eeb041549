/* SPDX-License-Identifier: MIT */
/* Every form of operator new and delete, with the new-handler loop. */
#include <cstddef>
#include <cstdint>
#include <map>
#include <new>
#include <string>

#include "test.h"

struct alignas(256) Wide {
    char bytes[1000];
};

static int handled;

static void handler()
{
    if (++handled == 2)
        std::set_new_handler(nullptr);
}

static std::size_t too_large()
{
    volatile std::size_t size = static_cast<std::size_t>(-1) / 4;
    return size;
}

static void failures()
{
    std::set_new_handler(handler);
    bool thrown = false;
    try {
        free(opaque(::operator new(too_large())));
    } catch (const std::bad_alloc &) {
        thrown = true;
    }
    REQUIRE(thrown && handled == 2);
    thrown = false;
    try {
        free(opaque(::operator new[](too_large(), std::align_val_t(512))));
    } catch (const std::bad_alloc &) {
        thrown = true;
    }
    REQUIRE(thrown);
    REQUIRE(opaque(::operator new(too_large(), std::nothrow)) == nullptr);
    REQUIRE(opaque(::operator new[](too_large(), std::align_val_t(64), std::nothrow)) == nullptr);
}

int main()
{
    failures();
    const std::align_val_t alignment{512};
    ::operator delete(opaque(::operator new(10)));
    ::operator delete(opaque(::operator new(10)), std::size_t(10));
    ::operator delete[](opaque(::operator new[](0)), std::size_t(0));
    ::operator delete(opaque(::operator new(10, std::nothrow)), std::nothrow);
    ::operator delete[](opaque(::operator new[](10, std::nothrow)), std::nothrow);
    void *block = opaque(::operator new(10, alignment));
    REQUIRE(reinterpret_cast<std::uintptr_t>(block) % 512 == 0);
    ::operator delete(block, alignment);
    ::operator delete(opaque(::operator new(10, alignment)), std::size_t(10), alignment);
    ::operator delete[](opaque(::operator new[](10, alignment)), std::size_t(10), alignment);
    ::operator delete[](opaque(::operator new[](10, alignment, std::nothrow)), alignment,
                        std::nothrow);
    Wide *wide = new Wide[3];
    REQUIRE(reinterpret_cast<std::uintptr_t>(wide) % 256 == 0);
    delete[] wide;
    std::map<int, std::string> map;
    for (int i = 0; i < 20000; i++)
        map[i] = std::string(static_cast<std::size_t>(i % 300), 'x');
    for (int i = 0; i < 20000; i += 2)
        map.erase(i);
    REQUIRE(map.size() == 10000 && map[299].size() == 299);
    return 0;
}
