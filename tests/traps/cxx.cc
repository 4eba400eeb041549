/* SPDX-License-Identifier: MIT */
/*
 * Running out of memory as C++ has it: std::bad_alloc, a new-handler, and nothrow forms that return
 * null where a handler throws. A program with -DPROGRAM, else a plugin of cxx-host.c.
 */
#include <cstdio>
#include <new>
#include <vector>

static bool handled;

static void give_up()
{
    handled = true;
    std::set_new_handler(nullptr);
}

static void refuse()
{
    throw std::bad_alloc();
}

static std::size_t too_large()
{
    volatile std::size_t size = std::size_t(1) << (sizeof size * 8 - 2);
    return size;
}

template <typename T> static bool throws(T allocate)
{
    handled = false;
    std::set_new_handler(give_up);
    try {
        allocate();
    } catch (const std::bad_alloc &) {
        return handled;
    }
    return false;
}

static int failed(const char *what)
{
    std::printf("%s\n", what);
    return 1;
}

extern "C" int plugin_run()
{
    static const std::align_val_t wide{64};
    if (!throws([] { ::operator delete(::operator new(too_large())); }))
        return failed("new");
    if (!throws([] { ::operator delete[](::operator new[](too_large())); }))
        return failed("new[]");
    if (!throws([] { ::operator delete(::operator new(too_large(), wide), wide); }))
        return failed("aligned new");
    if (!throws([] { ::operator delete[](::operator new[](too_large(), wide), wide); }))
        return failed("aligned new[]");
    if (!throws([] { std::vector<char>().reserve(too_large()); }))
        return failed("vector");
    std::set_new_handler(refuse);
    if (::operator new(too_large(), std::nothrow) != nullptr ||
        ::operator new[](too_large(), std::nothrow) != nullptr ||
        ::operator new(too_large(), wide, std::nothrow) != nullptr ||
        ::operator new[](too_large(), wide, std::nothrow) != nullptr)
        return failed("nothrow");
    std::set_new_handler(nullptr);
    void *block = ::operator new(100, std::nothrow);
    ::operator delete(block, std::nothrow);
    return block == nullptr;
}

#ifdef PROGRAM
int main()
{
    return plugin_run();
}
#endif
