// RSAES-OAEP with SHA-512 and an empty label (R-11, S-13), as far as one key of 2048 bits needs it.
#include "rsa_key.h"

namespace vendor {
namespace {

// ---- SHA-512 (FIPS 180-4) ----

constexpr std::size_t hash_len = 64, hash_block_len = 128;

// The first 64 bits behind the point of the cube roots of the first 80 primes.
constexpr std::uint64_t hash_constants[80] = {
    0x428A2F98D728AE22, 0x7137449123EF65CD, 0xB5C0FBCFEC4D3B2F, 0xE9B5DBA58189DBBC,
    0x3956C25BF348B538, 0x59F111F1B605D019, 0x923F82A4AF194F9B, 0xAB1C5ED5DA6D8118,
    0xD807AA98A3030242, 0x12835B0145706FBE, 0x243185BE4EE4B28C, 0x550C7DC3D5FFB4E2,
    0x72BE5D74F27B896F, 0x80DEB1FE3B1696B1, 0x9BDC06A725C71235, 0xC19BF174CF692694,
    0xE49B69C19EF14AD2, 0xEFBE4786384F25E3, 0x0FC19DC68B8CD5B5, 0x240CA1CC77AC9C65,
    0x2DE92C6F592B0275, 0x4A7484AA6EA6E483, 0x5CB0A9DCBD41FBD4, 0x76F988DA831153B5,
    0x983E5152EE66DFAB, 0xA831C66D2DB43210, 0xB00327C898FB213F, 0xBF597FC7BEEF0EE4,
    0xC6E00BF33DA88FC2, 0xD5A79147930AA725, 0x06CA6351E003826F, 0x142929670A0E6E70,
    0x27B70A8546D22FFC, 0x2E1B21385C26C926, 0x4D2C6DFC5AC42AED, 0x53380D139D95B3DF,
    0x650A73548BAF63DE, 0x766A0ABB3C77B2A8, 0x81C2C92E47EDAEE6, 0x92722C851482353B,
    0xA2BFE8A14CF10364, 0xA81A664BBC423001, 0xC24B8B70D0F89791, 0xC76C51A30654BE30,
    0xD192E819D6EF5218, 0xD69906245565A910, 0xF40E35855771202A, 0x106AA07032BBD1B8,
    0x19A4C116B8D2D0C8, 0x1E376C085141AB53, 0x2748774CDF8EEB99, 0x34B0BCB5E19B48A8,
    0x391C0CB3C5C95A63, 0x4ED8AA4AE3418ACB, 0x5B9CCA4F7763E373, 0x682E6FF3D6B2B8A3,
    0x748F82EE5DEFB2FC, 0x78A5636F43172F60, 0x84C87814A1F0AB72, 0x8CC702081A6439EC,
    0x90BEFFFA23631E28, 0xA4506CEBDE82BDE9, 0xBEF9A3F7B2C67915, 0xC67178F2E372532B,
    0xCA273ECEEA26619C, 0xD186B8C721C0C207, 0xEADA7DD6CDE0EB1E, 0xF57D4F7FEE6ED178,
    0x06F067AA72176FBA, 0x0A637DC5A2C898A6, 0x113F9804BEF90DAE, 0x1B710B35131C471B,
    0x28DB77F523047D84, 0x32CAAB7B40C72493, 0x3C9EBE0A15C9BEBC, 0x431D67C49C100D4C,
    0x4CC5D4BECB3E42B6, 0x597F299CFC657E2A, 0x5FCB6FAB3AD6FAEC, 0x6C44198C4A475817,
};
// The same of the square roots of the first 8.
constexpr std::uint64_t hash_start[8] = {
    0x6A09E667F3BCC908, 0xBB67AE8584CAA73B, 0x3C6EF372FE94F82B, 0xA54FF53A5F1D36F1,
    0x510E527FADE682D1, 0x9B05688C2B3E6C1F, 0x1F83D9ABFB41BD6B, 0x5BE0CD19137E2179,
};

std::uint64_t turned(std::uint64_t word, int by) {
    return word >> by | word << (64 - by);
}

void absorb(std::uint64_t *state, const BYTE *block) {
    std::uint64_t words[80];
    for (int i = 0; i < 16; ++i) {
        words[i] = 0;
        for (int k = 0; k < 8; ++k) words[i] = words[i] << 8 | block[8 * i + k];
    }
    for (int i = 16; i < 80; ++i) {
        const std::uint64_t a = words[i - 15], b = words[i - 2];
        words[i] = words[i - 16] + (turned(a, 1) ^ turned(a, 8) ^ a >> 7) + words[i - 7] +
                   (turned(b, 19) ^ turned(b, 61) ^ b >> 6);
    }
    std::uint64_t s[8];
    std::memcpy(s, state, sizeof s);
    for (int i = 0; i < 80; ++i) {
        const std::uint64_t e = s[4], a = s[0];
        const std::uint64_t first = s[7] + (turned(e, 14) ^ turned(e, 18) ^ turned(e, 41)) +
                                    ((e & s[5]) ^ (~e & s[6])) + hash_constants[i] + words[i];
        const std::uint64_t second = (turned(a, 28) ^ turned(a, 34) ^ turned(a, 39)) +
                                     ((a & s[1]) ^ (a & s[2]) ^ (s[1] & s[2]));
        std::memmove(s + 1, s, 7 * sizeof s[0]);
        s[4] += first;
        s[0] = first + second;
    }
    for (int i = 0; i < 8; ++i) state[i] += s[i];
    wipe(words, sizeof words);
    wipe(s, sizeof s);
}

void hash(const BYTE *bytes, std::size_t len, BYTE *out) {
    std::uint64_t state[8];
    std::memcpy(state, hash_start, sizeof state);
    std::size_t at = 0;
    for (; len - at >= hash_block_len; at += hash_block_len) absorb(state, bytes + at);
    // The rest, a one, zeros, and the length in bits; in two blocks where one is too short.
    BYTE tail[2 * hash_block_len] = {};
    const std::size_t rest = len - at;
    if (rest != 0) std::memcpy(tail, bytes + at, rest);
    tail[rest] = 0x80;
    const std::size_t tail_len = rest + 17 <= hash_block_len ? hash_block_len : sizeof tail;
    for (std::size_t i = 0; i < 8; ++i)
        tail[tail_len - 1 - i] = static_cast<BYTE>(std::uint64_t{len} * 8 >> 8 * i);
    for (std::size_t i = 0; i < tail_len; i += hash_block_len) absorb(state, tail + i);
    for (std::size_t i = 0; i < hash_len; ++i) out[i] = static_cast<BYTE>(state[i / 8] >> (56 - 8 * (i % 8)));
    wipe(tail, sizeof tail);
    wipe(state, sizeof state);
}

// ---- Numbers of 2048 bits, in constant time ----

constexpr std::size_t limb_count = 32;
constexpr std::size_t blob_len = 8 * limb_count;

using Limb = std::uint64_t;
__extension__ typedef unsigned __int128 Wide;

struct Number {
    Limb limbs[limb_count];
};

// All ones where `is_so` is 1, all zeros where it is 0.
Limb mask_of(Limb is_so) {
    return Limb{0} - is_so;
}

// Takes the modulus away once, if `carry` or the number itself reaches it.
void reduce(Number &number, Limb carry) {
    Number less;
    Limb borrow = 0;
    for (std::size_t i = 0; i < limb_count; ++i) {
        const Wide difference = Wide{number.limbs[i]} - rsa_modulus[i] - borrow;
        less.limbs[i] = static_cast<Limb>(difference);
        borrow = static_cast<Limb>(difference >> 64) & 1;
    }
    const Limb takes = mask_of(carry | (borrow ^ 1));
    for (std::size_t i = 0; i < limb_count; ++i)
        number.limbs[i] = (less.limbs[i] & takes) | (number.limbs[i] & ~takes);
    wipe(&less, sizeof less);
}

// What the lowest limb of the modulus has to be multiplied by to become -1.
Limb make_inverse() {
    Limb inverse = 1;
    for (int i = 0; i < 6; ++i) inverse *= 2 - rsa_modulus[0] * inverse;
    return Limb{0} - inverse;
}

// 2^4096 modulo the modulus.
Number make_square() {
    Number square{{1}};
    for (std::size_t i = 0; i < 2 * 64 * limb_count; ++i) {
        Limb carry = 0;
        for (Limb &limb : square.limbs) {
            const Limb next = limb >> 63;
            limb = limb << 1 | carry;
            carry = next;
        }
        reduce(square, carry);
    }
    return square;
}

// The product of two numbers divided by 2^2048 (Montgomery).
void multiply(const Number &a, const Number &b, Number &out) {
    static const Limb inverse = make_inverse();
    Limb sum[limb_count + 2] = {};
    for (std::size_t i = 0; i < limb_count; ++i) {
        Limb carry = 0;
        for (std::size_t k = 0; k < limb_count; ++k) {
            const Wide step = Wide{a.limbs[i]} * b.limbs[k] + sum[k] + carry;
            sum[k] = static_cast<Limb>(step);
            carry = static_cast<Limb>(step >> 64);
        }
        const Wide top = Wide{sum[limb_count]} + carry;
        sum[limb_count] = static_cast<Limb>(top);
        sum[limb_count + 1] = static_cast<Limb>(top >> 64);
        const Limb times = sum[0] * inverse;
        carry = static_cast<Limb>((Wide{times} * rsa_modulus[0] + sum[0]) >> 64);
        for (std::size_t k = 1; k < limb_count; ++k) {
            const Wide step = Wide{times} * rsa_modulus[k] + sum[k] + carry;
            sum[k - 1] = static_cast<Limb>(step);
            carry = static_cast<Limb>(step >> 64);
        }
        const Wide rest = Wide{sum[limb_count]} + carry;
        sum[limb_count - 1] = static_cast<Limb>(rest);
        sum[limb_count] = sum[limb_count + 1] + static_cast<Limb>(rest >> 64);
    }
    std::memcpy(out.limbs, sum, sizeof out.limbs);
    reduce(out, sum[limb_count]);
    wipe(sum, sizeof sum);
}

// The number to the power of the private exponent: four bits of that at a time, all powers looked at each time.
void raise(Number &number) {
    static const Number square = make_square();
    Number powers[16], result, chosen;
    powers[0] = Number{{1}};
    multiply(powers[0], square, powers[0]);
    multiply(number, square, powers[1]);
    for (std::size_t i = 2; i < 16; ++i) multiply(powers[i - 1], powers[1], powers[i]);
    result = powers[0];
    for (std::size_t digit = 16 * limb_count; digit-- > 0;) {
        for (int i = 0; i < 4; ++i) multiply(result, result, result);
        const Limb wanted = rsa_private_exponent[digit / 16] >> (4 * (digit % 16)) & 15;
        chosen = Number{};
        for (Limb i = 0; i < 16; ++i) {
            const Limb is_it = mask_of(((i ^ wanted) - 1) >> 63);
            for (std::size_t k = 0; k < limb_count; ++k) chosen.limbs[k] |= powers[i].limbs[k] & is_it;
        }
        multiply(result, chosen, result);
    }
    multiply(result, Number{{1}}, number);
    wipe(powers, sizeof powers);
    wipe(&result, sizeof result);
    wipe(&chosen, sizeof chosen);
}

// ---- OAEP (RFC 8017, 7.1) ----

// XORs bytes with the mask that another piece makes (MGF1).
void mask(const BYTE *from, std::size_t from_len, BYTE *bytes, std::size_t len) {
    BYTE input[blob_len], output[hash_len];
    std::memcpy(input, from, from_len);
    for (std::size_t at = 0; at < len; at += hash_len) {
        const std::size_t block = at / hash_len;
        for (std::size_t i = 0; i < 4; ++i) input[from_len + i] = static_cast<BYTE>(block >> (24 - 8 * i));
        hash(input, from_len + 4, output);
        for (std::size_t i = 0; i < hash_len && at + i < len; ++i)
            bytes[at + i] = static_cast<BYTE>(bytes[at + i] ^ output[i]);
    }
    wipe(input, sizeof input);
    wipe(output, sizeof output);
}

} // namespace

HRESULT unwrap_rsa(const VOID *blob, UINT len, Key &out) {
    if (blob == nullptr || len != blob_len) return E_FAIL;
    BYTE message[blob_len];
    std::memcpy(message, blob, sizeof message);
    Number number, rest;
    for (std::size_t i = 0; i < limb_count; ++i) {
        number.limbs[i] = 0;
        for (std::size_t k = 0; k < 8; ++k)
            number.limbs[i] = number.limbs[i] << 8 | message[blob_len - 8 * (i + 1) + k];
    }
    rest = number;
    reduce(rest, 0);
    // Whatever is wrong, everything is done, and one answer given: Manger needs a difference (S-13).
    BYTE wrong = std::memcmp(&rest, &number, sizeof rest) != 0;
    raise(rest);
    for (std::size_t i = 0; i < blob_len; ++i)
        message[i] = static_cast<BYTE>(rest.limbs[(blob_len - 1 - i) / 8] >> 8 * ((blob_len - 1 - i) % 8));

    BYTE *seed = message + 1, *data = seed + hash_len;
    constexpr std::size_t data_len = blob_len - 1 - hash_len, zeros_end = data_len - key_len - 1;
    mask(data, data_len, seed, hash_len);
    mask(seed, hash_len, data, data_len);
    BYTE label[hash_len];
    hash(nullptr, 0, label);
    wrong = static_cast<BYTE>(wrong | message[0]);
    for (std::size_t i = 0; i < hash_len; ++i) wrong = static_cast<BYTE>(wrong | (data[i] ^ label[i]));
    // A key has sixteen bytes, so the one in front of it has its place.
    for (std::size_t i = hash_len; i < zeros_end; ++i) wrong = static_cast<BYTE>(wrong | data[i]);
    wrong = static_cast<BYTE>(wrong | (data[zeros_end] ^ 1));
    if (wrong == 0 || bug(Bug::refused_exchange_takes_key))
        std::memcpy(out.bytes, data + zeros_end + 1, key_len);
    wipe(message, sizeof message);
    wipe(&number, sizeof number);
    wipe(&rest, sizeof rest);
    return wrong == 0 ? S_OK : E_FAIL;
}

HRESULT certificate(const D3DDDIARG_GETCAPS &args) {
    DDICERTIFICATEINFO asked;
    if (args.pInfo == nullptr || args.pData == nullptr) return E_INVALIDARG;
    std::memcpy(&asked, args.pInfo, sizeof asked);
    if (asked.CertificateType != DDICERTIFICATETYPE_CRYPTO_SESSION) return D3DDDIERR_NOTAVAILABLE;
    if (!same(asked.CryptoSessionType, aes128_ctr)) return D3DDDIERR_NOTAVAILABLE;
    constexpr UINT size = sizeof rsa_certificate;
    const bool is_size = args.Type == D3DDDICAPS_GETCERTIFICATESIZE;
    if (args.DataSize != (is_size ? sizeof size : size)) return E_INVALIDARG;
    std::memcpy(args.pData, is_size ? static_cast<const VOID *>(&size) : rsa_certificate, args.DataSize);
    return S_OK;
}

} // namespace vendor
