// How the smoke test fails, and how it sees blocks of the heap that are freed with a key in them.
#pragma once

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <malloc.h>
#include <mutex>
#include <new>

#include "smoke_aes.h"

namespace {

void check(bool holds, const char *what) {
    if (holds) return;
    std::printf("smoke: FAILED: %s\n", what);
    std::fflush(stdout);
    std::_Exit(1);
}

std::mutex secrets_mutex;
Block secrets[256];
std::size_t secret_count = 0;
thread_local bool is_own_block = false;

void look_into(const void *block) {
    if (block == nullptr || is_own_block) return;
    const auto *bytes = static_cast<const std::uint8_t *>(block);
    const std::size_t len = malloc_usable_size(const_cast<void *>(block));
    const std::lock_guard<std::mutex> guard(secrets_mutex);
    for (std::size_t at = 0; at + 16 <= len; ++at) {
        for (std::size_t i = 0; i < secret_count; ++i) {
            check(std::memcmp(bytes + at, secrets[i].data(), 16) != 0,
                  "a block was freed with a key in it");
        }
    }
}

void keep_secret(const Block &key) {
    const std::lock_guard<std::mutex> guard(secrets_mutex);
    Block *const end = secrets + secret_count;
    if (std::find(secrets, end, key) == end && secret_count < 256) secrets[secret_count++] = key;
}

} // namespace

void *operator new(std::size_t len) {
    // Clean, so that what lay there before is not taken for a residue.
    if (void *block = std::calloc(1, len)) return block;
    throw std::bad_alloc();
}
void *operator new[](std::size_t len) {
    return operator new(len);
}
void operator delete(void *block) noexcept {
    look_into(block), std::free(block);
}
void operator delete(void *block, std::size_t) noexcept {
    look_into(block), std::free(block);
}
void operator delete[](void *block) noexcept {
    look_into(block), std::free(block);
}
void operator delete[](void *block, std::size_t) noexcept {
    look_into(block), std::free(block);
}
