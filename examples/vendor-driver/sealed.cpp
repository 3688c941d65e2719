// The vendor's own key exchange with a key that is not in the clear: sealed under one that both sides have.
#include "driver.h"

namespace vendor {
namespace {

// "VKX2", a mark of the key that is the IV as well, and the key under it.
constexpr std::size_t sealed_len = 4 + 8 + key_len;
constexpr BYTE head[4] = {'V', 'K', 'X', '2'};

// Everybody has it: it is for tests.
constexpr Key shared_key = {
    {'s', 'e', 'a', 'l', ' ', 'o', 'f', ' ', 't', 'h', 'e', ' ', 'v', 'e', 'n', 'd'}};

} // namespace

UINT seal(const Key &key, BYTE *out, UINT room) {
    if (room < sealed_len) return 0;
    const std::uint64_t mark = one_way_mark(key);
    std::memcpy(out, head, sizeof head);
    std::memcpy(out + 4, &mark, sizeof mark);
    std::memcpy(out + 12, key.bytes, key_len);
    Counter counter;
    counter.iv = mark;
    ctr_xor(shared_key, counter, out + 12, key_len);
    return sealed_len;
}

HRESULT unseal(const VOID *blob, UINT len, Key &out) {
    if (blob == nullptr || len != sealed_len) return E_FAIL;
    BYTE copy[sealed_len];
    std::memcpy(copy, blob, sealed_len);
    Counter counter;
    std::memcpy(&counter.iv, copy + 4, sizeof counter.iv);
    Key opened;
    std::memcpy(opened.bytes, copy + 12, key_len);
    ctr_xor(shared_key, counter, opened.bytes, key_len);
    // The mark belongs to one key alone, so nothing that was changed opens.
    const bool is_good =
        std::memcmp(copy, head, sizeof head) == 0 && one_way_mark(opened) == counter.iv;
    if (is_good || bug(Bug::refused_exchange_takes_key)) out = opened;
    wipe(opened);
    wipe(copy, sizeof copy);
    return is_good ? S_OK : E_FAIL;
}

} // namespace vendor
