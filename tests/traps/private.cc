/* SPDX-License-Identifier: MIT */
#include "private.h"

#include <new>
#include <string>
#include <vector>

struct alignas(64) wide {
    char bytes[64];
};

template <typename T> static bool in_all_forms()
{
    T *one = new T;
    T *many = new T[10];
    T *maybe = new (std::nothrow) T[3];
    bool right = is_private(one) && is_private(many) && is_private(maybe);
    delete one;
    delete[] many;
    ::operator delete[](maybe, std::nothrow);
    return right;
}

bool in_cxx()
{
    std::vector<std::string> texts(100, std::string(100, 'x'));
    return is_private(texts.data()) && is_private(texts[7].data()) && in_all_forms<long>() &&
           in_all_forms<std::string>() && in_all_forms<wide>();
}
