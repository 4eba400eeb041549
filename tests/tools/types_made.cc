// SPDX-License-Identifier: MIT
// Objects of classes of many kinds, as many as it says. With an argument some blocks begin with words of
// forged virtual tables: of those that do not deserve a name, the name would have "Evil" in it.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <sys/mman.h>
#include <typeinfo>
#include <unistd.h>
#include <vector>

struct First {
    virtual ~First() {}
    long first = 1;
};
struct Second {
    virtual ~Second() {}
    long second = 2;
};
struct Both : First, Second {
    long both = 3;
};
struct Virtual : virtual First {
    long more = 4;
};
struct Diamond : Virtual, virtual Second {
    long diamond = 5;
};
namespace {
struct Hidden : First {};
} // namespace
template <class T, class U> struct Pair : Both {
    T t;
    U u;
};
struct Deep : Pair<int, std::vector<Hidden>> {};
struct Lost : Second {
    char more[500];
};

static std::vector<void *> all;

template <class T> static void make(const char *name, int count)
{
    for (int i = 0; i < count; i++)
        all.push_back(new T);
    std::printf("%s=%d ", name, count);
}

// Blocks that begin with a word of the table of a base that is not the first one.
static void make_parts(int count)
{
    auto *both = new Both;
    all.push_back(both);
    for (int i = 0; i < count - 1; i++) {
        void **block = static_cast<void **>(std::malloc(64));
        *block = *reinterpret_cast<void **>(static_cast<Second *>(both));
        all.push_back(block);
    }
}

static void __attribute__((noinline)) lose()
{
    for (int i = 0; i < 10; i++) {
        Lost *volatile lost = new Lost;
        __asm__ volatile("" : : "r"(lost) : "memory"); // it is written
        lost = nullptr;
    }
}

#ifdef __GXX_RTTI
struct information {
    const void *table;
    const char *name;
};
struct table {
    std::intptr_t to_top;
    const void *information;
    const void *function[2];
};
enum { PAGE = 65536 };
alignas(PAGE) static char memory[4 * PAGE]; // the third is not there
alignas(16) static table tables[30];
alignas(16) static information informations[30];
static char doubled[1000];
static int made;

static void forge(std::intptr_t to_top, const void *table, const char *name)
{
    int i = made++;
    informations[i] = {table, name};
    tables[i] = {to_top, &informations[i], {nullptr, nullptr}};
    for (int k = 0; k < 3; k++) {
        void **block = static_cast<void **>(std::calloc(1, 64));
        *block = tables[i].function;
        all.push_back(block);
    }
}

// b<b<...>, b<...>>, each part of which refers to the one before it twice
static void forge_doubled(const void *good)
{
    static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    std::string name = "7DoubledI1bIiiE";
    for (int i = 1; i < 34; i++) {
        std::string part = std::string("S") + digits[i] + "_";
        name += "S0_I" + part + part + "E";
    }
    std::snprintf(doubled, sizeof doubled, "%sE", name.c_str());
    forge(0, good, doubled);
}

static void forge_all()
{
    const void *good = *reinterpret_cast<const void *const *>(&typeid(Both));
    static char name[] = "4Evil", escape[] = "9Evil\033[31m", control[] = "6Evil\n1", other[] = "_ZN4EvilE";
    char *heap = static_cast<char *>(std::malloc(100));
    all.push_back(heap);
    std::snprintf(heap, 100, "8EvilHeap");
    for (char &byte : memory)
        byte = 'E';
    std::snprintf(memory, 100, "9000Evil"); // which the next page ends that is not there
    memory[8] = 'E';
    mprotect(memory + 2 * PAGE, PAGE, PROT_NONE);
    char *last = memory + 2 * PAGE - 5;
    last[0] = '4', last[1] = 'E', last[2] = 'v', last[3] = 'i', last[4] = 'l';
    forge_doubled(good);
    forge(0, good, "99999999999999999999Evil"); // longer than it is
    forge(0, good, "8Bidi\xe2\x80\xae" "C");
    forge(0, good, "9Lines\xe2\x80\xa9" "C");
    forge(0, good, "6Forged");
    forge(-16, good, "*6Second");           // a name of a class of one file, in another
    forge(0, good, memory);                 // too long
    forge(0, good, last);                   // without an end
    forge(0, good, memory + 2 * PAGE + 16); // not there
    forge(0, good, heap);
    forge(0, good, nullptr);
    forge(0, good, reinterpret_cast<const char *>(-64));
    forge(0, good, escape);
    forge(0, good, control);
    forge(0, good, other);
    forge(8, good, name);
    forge(-4, good, name);
    forge(INTPTR_MIN, good, name);
    forge(0, nullptr, name);
    forge(0, tables[0].function, name); // whose class is none of the ABI's
    forge(0, heap, name);
    forge(0, memory + 2 * PAGE + 16, name);
    tables[made - 1].information = memory + 2 * PAGE + 16;
    forge(0, good, name);
    tables[made - 1].information = heap;
    forge(0, good, name);
    tables[made - 1].information = tables[made - 1].function;
}
#else
static void forge_all() {}
#endif

int main(int argc, char **)
{
    struct Local : Second {};
    make<First>("First", 900);
    make<Both>("Both", 800);
    make<Virtual>("Virtual", 700);
    make<Diamond>("Diamond", 600);
    make<Hidden>("{anonymous}::Hidden", 500);
    make<Deep>("Deep", 400);
    make<Local>("main::Local", 300);
    for (int i = 0; i < 200; i++)
        all.push_back(new std::runtime_error("x"));
    make_parts(100);
    lose();
    if (argc > 1)
        forge_all();
    std::puts("Large");
    std::fflush(stdout);
    for (;;)
        pause();
}
