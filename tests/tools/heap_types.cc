// SPDX-License-Identifier: MIT
// Objects of classes that count their objects; prints the counts, and waits. With an argument threads
// allocate and free until the program is told to end.
#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

static long live[5];

struct Shape {
    Shape() { live[0]++; }
    virtual ~Shape() { live[0]--; }
    virtual int area() { return 0; }
};
namespace geo {
struct Circle : Shape {
    Circle() { live[1]++; }
    ~Circle() override { live[1]--; }
    double radius = 1;
};
template <class T> struct Box : virtual Shape {
    Box() { live[2]++; }
    ~Box() override { live[2]--; }
    T value{};
};
} // namespace geo
struct Named {
    Named() { live[3]++; }
    virtual ~Named() { live[3]--; }
    std::string name = std::string(100, 'x');
};
namespace {
struct Hidden : Named {
    Hidden() { live[4]++; }
    ~Hidden() override { live[4]--; }
    char more[5000];
};
struct Large : Named {
    char more[200000];
};
} // namespace

static std::atomic<bool> ended;
static void end(int) { ended = true; }

static void use()
{
    std::vector<void *> blocks(1000);
    for (size_t i = 0; !ended; i++) {
        void *&block = blocks[i * 31 % blocks.size()];
        free(block);
        block = malloc(i * 7 % 3000);
    }
    for (void *block : blocks)
        free(block);
}

int main(int argc, char **)
{
    std::vector<std::unique_ptr<Shape>> shapes;
    std::vector<std::unique_ptr<Named>> named;
    std::vector<std::unique_ptr<Large>> large(3);
    for (int i = 0; i < 10000; i++) {
        switch (i % 5) {
        case 0: shapes.emplace_back(new Shape); break;
        case 1: shapes.emplace_back(new geo::Circle); break;
        case 2: shapes.emplace_back(new geo::Box<int>); break;
        case 3: named.emplace_back(new Named); break;
        default: named.emplace_back(new Hidden);
        }
        if (i % 3 == 0)
            shapes[static_cast<size_t>(i) * 7 % shapes.size()].reset();
        if (i % 7 == 0 && !named.empty())
            named[static_cast<size_t>(i) * 5 % named.size()].reset();
    }
    for (auto &one : large)
        one.reset(new Large);
    std::signal(SIGTERM, end);
    std::vector<std::thread> threads;
    for (int i = 0; i < 8 && argc > 1; i++)
        threads.emplace_back(use);
    std::printf("Shape=%ld geo::Circle=%ld geo::Box<int>=%ld Named=%ld {anonymous}::Hidden=%ld {anonymous}::Large=3\n",
                live[0] - live[1] - live[2], live[1], live[2], live[3] - live[4] - 3, live[4]);
    std::fflush(stdout);
    while (!ended)
        usleep(1000);
    for (auto &thread : threads)
        thread.join();
    std::puts("ended");
}
