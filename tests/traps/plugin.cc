// SPDX-License-Identifier: MIT
// A plugin in C++ for a program in C: its operators are those of its own libstdc++.
#include <cstddef>
#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

extern "C" char *make_text(std::size_t size)
{
    std::vector<std::string> texts(10, std::string(size, 'x'));
    try {
        if (texts.at(10).empty())
            return nullptr;
    } catch (const std::out_of_range &error) {
        texts.emplace_back(error.what());
    }
    return static_cast<char *>(std::memcpy(::operator new(size), texts[0].data(), size));
}

extern "C" void drop_text(char *text)
{
    ::operator delete(text);
}
