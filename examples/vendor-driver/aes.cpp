// AES-128 in the forward direction and counter mode, with an S-box that is computed and not copied.
#include <array>
#include <memory>

#include "driver.h"

namespace vendor {
namespace {

constexpr int round_count = 10;
constexpr std::size_t round_keys_len = key_len * (round_count + 1);

// Twice a byte in the field of AES, whose polynomial is x^8 + x^4 + x^3 + x + 1.
constexpr BYTE twice(BYTE a) {
    return static_cast<BYTE>((a << 1) ^ ((a >> 7) * 0x1B));
}

constexpr BYTE product(BYTE a, BYTE b) {
    BYTE sum = 0;
    for (; b != 0; b = static_cast<BYTE>(b >> 1), a = twice(a)) {
        if (b & 1) sum = static_cast<BYTE>(sum ^ a);
    }
    return sum;
}

// The inverse in the field, as the 254th power, and the affine map behind it (FIPS 197, 5.1.1).
constexpr BYTE substitute(BYTE a) {
    BYTE inverse = 1;
    for (int i = 0; i < 254; ++i) inverse = product(inverse, a);
    unsigned sum = 0x63;
    for (int turn = 0; turn <= 4; ++turn) {
        sum ^= ((inverse << turn) | (inverse >> (8 - turn))) & 0xFF;
    }
    return static_cast<BYTE>(sum);
}

std::array<BYTE, 256> make_sbox() {
    std::array<BYTE, 256> box{};
    for (std::size_t a = 0; a < box.size(); ++a) box[a] = substitute(static_cast<BYTE>(a));
    return box;
}

// Nothing secret is in it.
const std::array<BYTE, 256> sbox = make_sbox();

void expand(const Key &key, BYTE *round_keys) {
    std::memcpy(round_keys, key.bytes, key_len);
    BYTE round_constant = 1;
    for (std::size_t at = key_len; at < round_keys_len; at += 4) {
        const BYTE *before = round_keys + at - 4;
        BYTE word[4] = {before[0], before[1], before[2], before[3]};
        if (at % key_len == 0) {
            const BYTE first = word[0];
            word[0] = static_cast<BYTE>(sbox[word[1]] ^ round_constant);
            word[1] = sbox[word[2]];
            word[2] = sbox[word[3]];
            word[3] = sbox[first];
            round_constant = twice(round_constant);
        }
        for (std::size_t i = 0; i < 4; ++i) {
            round_keys[at + i] = static_cast<BYTE>(round_keys[at + i - key_len] ^ word[i]);
        }
        wipe(word, sizeof word);
    }
}

std::uint64_t swapped(const BYTE *from) {
    std::uint64_t value = 0;
    for (int i = 0; i < 8; ++i) value = value << 8 | from[i];
    return value;
}

void add(BYTE *state, const BYTE *other) {
    for (std::size_t i = 0; i < key_len; ++i) state[i] = static_cast<BYTE>(state[i] ^ other[i]);
}

void encrypt(const BYTE *round_keys, BYTE *state) {
    add(state, round_keys);
    for (int round = 1; round <= round_count; ++round) {
        BYTE moved[key_len];
        // Byte i lies in row i % 4, and row r moves r columns to the left.
        for (std::size_t i = 0; i < key_len; ++i)
            moved[i] = sbox[state[(i + 4 * (i % 4)) % key_len]];
        for (std::size_t column = 0; column < key_len; column += 4) {
            const BYTE *in = moved + column;
            for (std::size_t row = 0; row < 4; ++row) {
                const BYTE a = in[row], b = in[(row + 1) % 4];
                const BYTE rest = static_cast<BYTE>(in[(row + 2) % 4] ^ in[(row + 3) % 4]);
                const BYTE mixed = static_cast<BYTE>(twice(a) ^ twice(b) ^ b ^ rest);
                state[column + row] = round == round_count ? a : mixed;
            }
        }
        add(state, round_keys + key_len * static_cast<std::size_t>(round));
        wipe(moved, sizeof moved);
    }
}

} // namespace

Counter Counter::read(const VOID *from) {
    // The caller's structure may lie at any address.
    BYTE copy[16];
    std::memcpy(copy, from, sizeof copy);
    Counter counter;
    counter.iv = swapped(copy);
    counter.count = swapped(copy + 8);
    return counter;
}

void Counter::write(VOID *to) const {
    BYTE bytes[16];
    for (int i = 0; i < 8; ++i) {
        bytes[i] = static_cast<BYTE>(iv >> (56 - 8 * i));
        bytes[8 + i] = static_cast<BYTE>(count >> (56 - 8 * i));
    }
    std::memcpy(to, bytes, sizeof bytes);
}

void ctr_xor(const Key &key, Counter counter, BYTE *data, std::size_t len) {
    BYTE own_round_keys[round_keys_len];
    std::unique_ptr<BYTE[]> freed_as_they_are;
    BYTE *round_keys = own_round_keys;
    if (bug(Bug::round_keys_in_freed_heap)) {
        freed_as_they_are = std::make_unique<BYTE[]>(round_keys_len);
        round_keys = freed_as_they_are.get();
    }
    expand(key, round_keys);

    static BYTE shared_block[key_len];
    BYTE own_block[key_len];
    BYTE *block = bug(Bug::keystream_shared_by_devices) ? shared_block : own_block;
    for (std::size_t at = 0; at < len; at += key_len, ++counter.count) {
        counter.write(block);
        encrypt(round_keys, block);
        for (std::size_t i = 0; i < key_len && at + i < len; ++i) {
            data[at + i] = static_cast<BYTE>(data[at + i] ^ block[i]);
        }
    }
    wipe(block, key_len);
    wipe(own_round_keys, sizeof own_round_keys);
}

std::uint64_t one_way_mark(const Key &key) {
    // A cipher under a public key, with its input added to its output, cannot be undone, even less
    // with half of the result thrown away.
    static const Key public_key = {
        {'k', 'e', 'y', ' ', 'e', 'p', 'o', 'c', 'h', ' ', 'm', 'a', 'r', 'k', 's', '1'}};
    BYTE round_keys[round_keys_len];
    expand(public_key, round_keys);
    Key sum = key;
    encrypt(round_keys, sum.bytes);
    add(sum.bytes, key.bytes);
    std::uint64_t mark;
    std::memcpy(&mark, sum.bytes, sizeof mark);
    wipe(sum);
    return mark;
}

} // namespace vendor
