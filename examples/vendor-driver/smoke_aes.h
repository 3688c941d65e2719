// The smoke test's own AES-128 and counter mode, which share nothing with those of the driver.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

using Block = std::array<std::uint8_t, 16>;
using Bytes = std::vector<std::uint8_t>;

// Multiplication by powers of 3, which generates the field: logarithms instead of shifts.
struct Field {
    std::uint8_t power[255];
    int logarithm[256];
    std::uint8_t sbox[256];

    Field() {
        unsigned element = 1;
        for (int i = 0; i < 255; ++i) {
            power[i] = static_cast<std::uint8_t>(element);
            logarithm[element] = i;
            element ^= element << 1;
            if (element > 0xFF) element ^= 0x11B;
        }
        for (unsigned a = 0; a < 256; ++a) {
            const unsigned inverse = a == 0 ? 0 : power[(255 - logarithm[a]) % 255];
            unsigned out = 0;
            // Bit i is the parity of bits i, i+4, i+5, i+6, i+7 of the inverse and bit i of 0x63.
            for (unsigned i = 0; i < 8; ++i) {
                unsigned bit = 0x63 >> i & 1;
                for (unsigned from : {i, i + 4, i + 5, i + 6, i + 7})
                    bit ^= inverse >> from % 8 & 1;
                out |= bit << i;
            }
            sbox[a] = static_cast<std::uint8_t>(out);
        }
    }

    std::uint8_t times(std::uint8_t a, int log_of_factor) const {
        return a == 0 ? std::uint8_t{0} : power[(logarithm[a] + log_of_factor) % 255];
    }
};

inline Block encrypt_block(const Block &key, Block state) {
    static const Field field;
    Block round_key = key;
    unsigned constant = 1;
    for (std::size_t i = 0; i < 16; ++i) state[i] ^= key[i];
    for (int round = 1; round <= 10; ++round) {
        // The next round key replaces the last, on the way.
        for (std::size_t i = 0; i < 4; ++i) round_key[i] ^= field.sbox[round_key[12 + (i + 1) % 4]];
        round_key[0] = static_cast<std::uint8_t>(round_key[0] ^ constant);
        for (std::size_t i = 4; i < 16; ++i) round_key[i] ^= round_key[i - 4];
        constant = constant << 1 ^ (constant & 0x80 ? 0x11B : 0);

        std::uint8_t matrix[4][4];
        for (std::size_t row = 0; row < 4; ++row) {
            for (std::size_t column = 0; column < 4; ++column) {
                matrix[row][column] = field.sbox[state[4 * ((column + row) % 4) + row]];
            }
        }
        for (std::size_t column = 0; column < 4; ++column) {
            for (std::size_t row = 0; row < 4; ++row) {
                unsigned sum = matrix[row][column];
                if (round < 10) {
                    // The logarithm of 2 to the base 3 is 25, that of 3 is 1.
                    sum = field.times(matrix[row][column], 25) ^
                          field.times(matrix[(row + 1) % 4][column], 1);
                    sum ^= static_cast<unsigned>(matrix[(row + 2) % 4][column] ^
                                                 matrix[(row + 3) % 4][column]);
                }
                state[4 * column + row] =
                    static_cast<std::uint8_t>(sum ^ round_key[4 * column + row]);
            }
        }
    }
    return state;
}

inline Bytes counter_mode(const Block &key, std::uint64_t iv, std::uint64_t count, Bytes data) {
    for (std::size_t at = 0; at < data.size(); ++at) {
        Block counter;
        for (std::size_t i = 0; i < 8; ++i) {
            counter[7 - i] = static_cast<std::uint8_t>(iv >> 8 * i);
            counter[15 - i] = static_cast<std::uint8_t>((count + at / 16) >> 8 * i);
        }
        data[at] ^= encrypt_block(key, counter)[at % 16];
    }
    return data;
}
