// SPDX-License-Identifier: MIT
// Connections come and go; each has a session, and the session knows its connection.
#include <cstdio>
#include <memory>
#include <string>
#include <unistd.h>

struct Session;

struct Connection {
    virtual ~Connection() = default;
    std::shared_ptr<Session> session;
    char buffer[4000] = "";
};

struct Session {
    virtual ~Session() = default;
    std::shared_ptr<Connection> connection;
    std::string user;
};

static void serve(int number)
{
    auto connection = std::make_shared<Connection>();
    connection->session = std::make_shared<Session>();
    connection->session->connection = connection;
    connection->session->user = "user " + std::to_string(number) + " of the example";
}

int main()
{
    for (int number = 0; number < 1000; number++)
        serve(number);
    std::puts("served 1000 connections");
    std::fflush(stdout);
    pause();
}
