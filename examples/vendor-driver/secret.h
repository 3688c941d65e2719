// Key bytes: their type, how they are wiped, and how an entry clears stack and registers.
#pragma once

#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "bugs.h"
#include "d3dumddi_crypto.h"

namespace vendor {

constexpr std::size_t key_len = 16;

// Whoever holds one wipes it, because an assignment would leave the old bytes to the optimiser.
struct Key {
    BYTE bytes[key_len];
};

// Zeros that the compiler may not leave out, although nobody reads them.
inline void wipe(void *bytes, std::size_t len) {
    std::memset(bytes, 0, len);
    __asm__ __volatile__("" : : "r"(bytes) : "memory");
}

inline void wipe(Key &key) {
    wipe(key.bytes, key_len);
}

// Overwrites the dead stack below the caller, where spilled registers of the cipher may lie.
__attribute__((noinline)) inline void burn_stack() {
    BYTE below[4096];
    wipe(below, sizeof below);
}

#if defined(__has_attribute)
#if __has_attribute(zero_call_used_regs)
#define VENDOR_ZERO_REGISTERS __attribute__((zero_call_used_regs("all")))
#endif
#endif
#ifndef VENDOR_ZERO_REGISTERS
#define VENDOR_ZERO_REGISTERS
#endif

// Returns with every register zero that a callee may change.
__attribute__((noinline)) VENDOR_ZERO_REGISTERS inline void clear_registers() {
    __asm__ __volatile__("" : : : "memory");
}

// The last thing that every entry does.
inline void leave_nothing() {
    if (!bug(Bug::key_on_stack)) burn_stack();
    if (!bug(Bug::key_in_register)) clear_registers();
}

// A line on stderr, if VENDOR_UMD_LOG=1. It names sessions by number; keys, random numbers and
// addresses have no place in it.
__attribute__((format(printf, 1, 2))) inline void log(const char *format, ...) {
    const char *wanted = std::getenv("VENDOR_UMD_LOG");
    if (wanted == nullptr || std::strcmp(wanted, "1") != 0) return;
    char line[160];
    std::va_list values;
    va_start(values, format);
    std::vsnprintf(line, sizeof line, format, values);
    va_end(values);
    std::fprintf(stderr, "vendor_umd: %s\n", line);
}

} // namespace vendor
