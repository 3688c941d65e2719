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

// Older compilers have no attribute for it; the upper halves of vectors are cleared by an AVX instruction, which
// every processor that has such halves knows.
#if defined(__has_attribute)
#if __has_attribute(zero_call_used_regs)
#define VENDOR_ZERO_REGISTERS __attribute__((zero_call_used_regs("all")))
#endif
#endif

// Returns with every register zero that a callee may change.
#ifdef VENDOR_ZERO_REGISTERS
__attribute__((noinline)) VENDOR_ZERO_REGISTERS inline void clear_registers() {
    __asm__ __volatile__("" : : : "memory");
}
#else
__attribute__((noinline)) inline void clear_registers() {
    __asm__ __volatile__(
        "xor %%eax, %%eax\n xor %%ecx, %%ecx\n xor %%edx, %%edx\n xor %%esi, %%esi\n xor %%edi, %%edi\n"
        "xor %%r8d, %%r8d\n xor %%r9d, %%r9d\n xor %%r10d, %%r10d\n xor %%r11d, %%r11d\n"
        "pxor %%xmm0, %%xmm0\n pxor %%xmm1, %%xmm1\n pxor %%xmm2, %%xmm2\n pxor %%xmm3, %%xmm3\n"
        "pxor %%xmm4, %%xmm4\n pxor %%xmm5, %%xmm5\n pxor %%xmm6, %%xmm6\n pxor %%xmm7, %%xmm7\n"
        "pxor %%xmm8, %%xmm8\n pxor %%xmm9, %%xmm9\n pxor %%xmm10, %%xmm10\n pxor %%xmm11, %%xmm11\n"
        "pxor %%xmm12, %%xmm12\n pxor %%xmm13, %%xmm13\n pxor %%xmm14, %%xmm14\n pxor %%xmm15, %%xmm15"
        :
        :
        : "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "cc", "memory", "xmm0", "xmm1", "xmm2",
          "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14",
          "xmm15");
    if (__builtin_cpu_supports("avx")) __asm__ __volatile__("vzeroupper" : : : "memory");
}
#endif

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
