// Where key bytes come from: random numbers of the system and blobs of the vendor's key exchange.
#include <atomic>
#include <ctime>
#include <random>
#include <sys/random.h>

#include "driver.h"

namespace vendor {
namespace {

std::atomic<Exchange> exchange{Exchange::clear};

constexpr std::size_t blob_len = 28;
constexpr std::size_t checksummed_len = 24;

std::uint32_t little_endian(const BYTE *from) {
    return from[0] | static_cast<std::uint32_t>(from[1]) << 8 |
           static_cast<std::uint32_t>(from[2]) << 16 | static_cast<std::uint32_t>(from[3]) << 24;
}

// FNV-1a of 32 bits: it finds a blob that was damaged, and is no protection against anybody.
std::uint32_t checksum(const BYTE *bytes, std::size_t len) {
    if (bug(Bug::checksum_in_signed_numbers)) {
        int sum = static_cast<int>(0x811C9DC5);
        for (std::size_t i = 0; i < len; ++i) sum = (sum ^ bytes[i]) * 0x01000193;
        return static_cast<std::uint32_t>(sum);
    }
    std::uint32_t sum = 0x811C9DC5;
    for (std::size_t i = 0; i < len; ++i) sum = (sum ^ bytes[i]) * 0x01000193;
    return sum;
}

bool fill_from_system(BYTE *out, std::size_t len) {
    while (len > 0) {
        const ssize_t got = getrandom(out, len, 0);
        if (got <= 0) return false;
        out += got;
        len -= static_cast<std::size_t>(got);
    }
    return true;
}

} // namespace

bool draw_random(Key &out) {
    if (bug(Bug::random_constant)) {
        for (std::size_t i = 0; i < key_len; ++i) out.bytes[i] = static_cast<BYTE>(0xA0 + i);
        return true;
    }
    if (bug(Bug::random_from_clock)) {
        thread_local std::minstd_rand generator(static_cast<unsigned>(std::time(nullptr)));
        for (BYTE &byte : out.bytes) byte = static_cast<BYTE>(generator() >> 8);
        return true;
    }
    if (bug(Bug::random_low_entropy)) {
        BYTE seed;
        if (!fill_from_system(&seed, 1)) return false;
        for (std::size_t i = 0; i < key_len; ++i)
            out.bytes[i] = static_cast<BYTE>((seed + 1) * (2 * i + 1));
        return true;
    }
    if (bug(Bug::random_repeats)) {
        thread_local Key last{};
        thread_local bool is_repeat = false;
        if (!is_repeat && !fill_from_system(last.bytes, key_len)) return false;
        is_repeat = !is_repeat;
        out = last;
        return true;
    }
    return fill_from_system(out.bytes, key_len);
}

bool choose_exchange() {
    const char *wanted = std::getenv("VENDOR_UMD_KEX");
    const bool is_clear = wanted == nullptr || *wanted == '\0';
    const bool is_rsa = !is_clear && std::strcmp(wanted, "rsa") == 0;
    const bool is_sealed = !is_clear && std::strcmp(wanted, "sealed") == 0;
    exchange = is_rsa ? Exchange::rsa : is_sealed ? Exchange::sealed : Exchange::clear;
    return is_clear || is_rsa || is_sealed;
}

Exchange chosen_exchange() {
    return exchange.load(std::memory_order_relaxed);
}

const GUID &exchange_type() {
    switch (chosen_exchange()) {
    case Exchange::rsa: return rsaes_oaep_key_exchange;
    case Exchange::sealed: return sealed_key_exchange;
    default: return vendor_key_exchange;
    }
}

HRESULT unwrap_key(const VOID *blob, UINT len, Key &out) {
    if (chosen_exchange() == Exchange::rsa) return unwrap_rsa(blob, len, out);
    if (chosen_exchange() == Exchange::sealed) return unseal(blob, len, out);
    if (blob == nullptr || len != blob_len) return E_FAIL;
    // The caller may change its memory meanwhile, so everything is decided over one copy.
    BYTE own_copy[blob_len];
    std::unique_ptr<BYTE[]> copy_on_heap;
    BYTE *copy = own_copy;
    if (bug(Bug::blob_copy_not_wiped)) {
        copy_on_heap = std::make_unique<BYTE[]>(blob_len);
        copy = copy_on_heap.get();
    }
    std::memcpy(copy, blob, blob_len);

    const bool is_form_right =
        std::memcmp(copy, "VKX1", 4) == 0 && little_endian(copy + 4) == key_len;
    const bool is_sum_right =
        little_endian(copy + checksummed_len) == checksum(copy, checksummed_len);
    const bool is_good = is_form_right && is_sum_right;
    if (is_good || bug(Bug::refused_exchange_takes_key)) std::memcpy(out.bytes, copy + 8, key_len);
    wipe(own_copy, sizeof own_copy);
    return is_good ? S_OK : E_FAIL;
}

} // namespace vendor
