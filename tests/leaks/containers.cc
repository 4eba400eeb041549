// SPDX-License-Identifier: MIT
// Containers and objects of C++, and what keeps them though no pointer leads to their beginning.
#include <deque>
#include <exception>
#include <list>
#include <map>
#include <memory>
#include <new>
#include <string>
#include <unordered_map>
#include <vector>

#include <cstdlib>

#include "cases.h"

// no word of a block is older than its object
void *operator new(size_t size)
{
    return block(size);
}
void operator delete(void *pointer) noexcept
{
    free(pointer);
}
void operator delete(void *pointer, size_t) noexcept
{
    free(pointer);
}

namespace
{

struct Node {
    virtual ~Node() = default;
    std::shared_ptr<Node> next;
};
struct Left {
    virtual ~Left() = default;
    long value = 1;
};
struct Right {
    virtual ~Right() = default;
    long value = 2;
};
struct Both : Left, Right {
};
struct Counted {
    ~Counted()
    {
        value = 0;
    }
    long value = 3;
};

void *volatile kept[8];
std::exception_ptr *volatile exception;

void lose_vector()
{
    auto *vector = new std::vector<int>(1000);
    lost(DIRECT, vector);
    lost(INDIRECT, vector->data());
}

void lose_map()
{
    auto *map = new std::map<int, std::string>;
    lost(RING, map); // the first node points back to it
    for (int i = 0; i < 20; i++)
        lost(RING, &*map->emplace(i, "short").first);
    lost(INDIRECT, &(map->at(7) = std::string(100, 'x'))[0]);
}

void lose_string()
{
    auto *text = new std::string(100, 'x');
    lost(DIRECT, text);
    lost(INDIRECT, &(*text)[0]);
}

void lose_shared_ring()
{
    auto first = std::make_shared<Node>(), second = std::make_shared<Node>();
    lost(RING, (first->next = second).get());
    lost(RING, (second->next = first).get());
}

void lose_objects()
{
    lost(DIRECT, new Both);
    lost(DIRECT, new Node);
    for (int i = 0; i < 5; i++)
        lost(DIRECT, new Counted[10]);
}

void keep_arrays()
{
    kept[0] = new Counted[100]; // follows its count
    kept[1] = new Node[3];
    kept[2] = static_cast<Right *>(new Both);
}

void keep_containers()
{
    auto *map = new std::map<int, std::string>;
    auto *table = new std::unordered_map<std::string, std::vector<int>>;
    auto *list = new std::list<std::string>;
    auto *deque = new std::deque<std::unique_ptr<int>>;
    for (int i = 0; i < 500; i++) {
        map->emplace(i * 7 % 500, std::string(static_cast<size_t>(i), 'x'));
        table->emplace(std::string(static_cast<size_t>(i), 'y'),
                       std::vector<int>(static_cast<size_t>(i)));
        list->emplace_front(50, 'z');
        deque->emplace_back(new int(i));
    }
    kept[3] = map;
    kept[4] = table;
    kept[5] = &*std::next(list->begin(), 100);
    kept[6] = deque;
    auto *shared = new std::shared_ptr<Node>(new Node);
    (*shared)->next = std::make_shared<Node>();
    kept[7] = shared;
}

// an exception that is being handled is known to the thread alone; one that is stored, to a pointer
void handle()
{
    try {
        throw std::string(200, 'e');
    } catch (const std::string &) {
        held();
        stay();
    }
}

void keep_exceptions()
{
    try {
        throw std::string(200, 'e');
    } catch (...) {
        exception = new std::exception_ptr(std::current_exception());
    }
    on_thread_that_stays(handle);
}

} // namespace

extern const leak_case container_cases[] = {
    {"vector", lose_vector, nullptr, "a vector is lost"},
    {"map", lose_map, nullptr, "a map is lost"},
    {"string", lose_string, nullptr, "a string is lost"},
    {"shared-ring", lose_shared_ring, nullptr, "shared pointers keep each other"},
    {"objects", lose_objects, nullptr, "objects and arrays of objects are lost"},
    {"arrays-kept", keep_arrays, nullptr,
     "arrays and bases are kept by what does not point to their block"},
    {"containers-kept", keep_containers, nullptr, "containers are kept"},
    {"exceptions", keep_exceptions, nullptr,
     "exceptions that are being handled or stored are kept"},
    {nullptr, nullptr, nullptr, nullptr},
};
