// SPDX-License-Identifier: MIT
// Allocations while exceptions pass through, each walked from within malloc.
#include <algorithm>
#include <cstdio>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "take.h"

namespace {

struct Allocates {
    const char *name;
    FRAME ~Allocates()
    {
        take(name);
        STAY();
    }
};

struct Base {
    virtual ~Base() = default;
    virtual int run(int depth) = 0;
};
struct Other {
    virtual ~Other() = default;
    virtual int other(int depth) = 0;
};

FRAME int throws(int depth)
{
    Allocates first{"destructor, an exception passes"};
    if (depth == 0)
        throw std::runtime_error("a text that is too long to be kept in the string itself");
    int result = throws(depth - 1);
    STAY();
    return result;
}

// other() is called by way of a thunk, which puts "this" right.
struct Both : Base, Other {
    FRAME int run(int depth) override
    {
        alignas(64) volatile char area[128];
        area[0] = 1;
        int result = throws(depth) + area[0];
        STAY();
        return result;
    }
    FRAME int other(int depth) override
    {
        int result = run(depth);
        STAY();
        return result;
    }
};

FRAME int catches(Other &other)
{
    try {
        return other.other(1);
    } catch (const std::exception &error) {
        take("catch");
        try {
            throw;
        } catch (const std::runtime_error &again) {
            take("catch of what was thrown again");
        }
    }
    return 0;
}

FRAME int nested()
{
    try {
        Allocates outer{"destructor behind a catch"};
        try {
            throw 1;
        } catch (int) {
            take("catch of a number");
            throw std::string("a text that is too long to be kept in the string itself");
        }
    } catch (const std::string &text) {
        take("catch of a text");
        return static_cast<int>(text.size());
    }
}

FRAME void called_by_libraries()
{
    std::vector<int> numbers(20);
    for (int i = 0; i < 20; i++)
        numbers[static_cast<size_t>(i)] = i * 7 % 20;
    bool taken = false;
    std::sort(numbers.begin(), numbers.end(), [&](int left, int right) {
        if (!taken)
            take("lambda");
        taken = true;
        return left < right;
    });
    std::function<void(int)> function = [&](int depth) {
        if (depth > 0)
            function(depth - 1);
        else
            take("std::function");
        STAY();
    };
    function(3);
}

} // namespace

int main()
{
    take_start();
    Both both;
    catches(both);
    nested();
    called_by_libraries();
    std::thread thread([&] { catches(both); });
    thread.join();
    int wrong = take_compare();
    std::printf("%lu stacks, %lu frames, %d differ\n", take_stacks, take_frames, wrong);
    return wrong != 0;
}
