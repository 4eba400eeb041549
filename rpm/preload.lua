-- SPDX-License-Identifier: MIT
-- Before the last package of @LIBRARY@ goes, takes it out of
-- /etc/ld.so.preload: a library that is named there and missing makes the loader complain at each
-- start of a program. In Lua, which rpm has within itself, since with a broken library in that
-- file no other program starts.
--
-- What counts is what "hakmem preload disable" takes out, see tools/preload_text.h. The place of
-- the name is filled with blanks: the file stays the same one, with its owner, mode, links and
-- labels, is valid at each moment for the programs that start meanwhile, and no comment moves.
local path, library = "/etc/ld.so.preload", "@LIBRARY@"

local function read()
    local kind = posix.stat(path, "type")
    local file = (kind == "regular" or kind == "link") and io.open(path, "rb")
    local text = file and file:read("a")
    if file then
        file:close()
    end
    return text or ""
end

local function blanks(text)
    return (" "):rep(#text)
end

local function read_as_meant(text)
    return (text:gsub("#[^\n]*", blanks))
end

-- glibc looks for a comment from the start on, in as many bytes as the one before left
local function read_by_glibc(text)
    local rest = #text
    while true do
        local start = text:sub(1, rest):find("#", 1, true)
        if start == nil then
            return text
        end
        rest = rest - (start - 1)
        local comment = text:match("^[^\n]*", start):sub(1, rest)
        text = text:sub(1, start - 1) .. blanks(comment) .. text:sub(start + #comment)
        rest = rest - #comment
    end
end

-- The start and the bytes of the first name of the library, in whatever folder and version
local function find(text)
    for start, name in text:gmatch("()([^ \t\n:\0]+)") do
        local file = name:gsub("\r$", ""):match("[^/]*$")
        if (file .. "."):sub(1, #library + 1) == library .. "." then
            return start, name
        end
    end
end

local function find_in_either(text)
    local start, name = find(read_as_meant(text))
    if start == nil then
        start, name = find(read_by_glibc(text))
    end
    return start, name
end

local function fill(start, name)
    local file, reason = io.open(path, "r+b")
    if file == nil then
        return nil, reason
    end
    local done
    done, reason = file:seek("set", start - 1)
    if done then
        done, reason = file:write(blanks(name))
    end
    local closed, close_reason = file:close()
    return done and closed, reason or close_reason
end

local function take_out()
    local text = read()
    local start, name = find_in_either(text)
    while start do
        local done, reason = fill(start, name)
        if not done then
            return nil, reason
        end
        print("removed " .. name .. " from " .. path .. ", because the library is uninstalled")
        local before = text
        text = read()
        if text == before then
            return nil, "it cannot be changed"
        end
        start, name = find_in_either(text)
        local nothing = text:match("^[ \t\n:\0]*$") ~= nil
        if start == nil and nothing and posix.stat(path, "type") == "regular" then
            os.remove(path)
        end
    end
    return true
end

-- arg[2]: how many of the package will be left; one in an upgrade
if tonumber(arg[2]) == 0 then
    local ran, done, reason = pcall(take_out)
    if not (ran and done) then
        io.stderr:write(path .. ": " .. library .. " may still be in it: "
            .. tostring(ran and reason or done) .. "\n")
    end
end
