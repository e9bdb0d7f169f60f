// CRC-32 as zlib, gzip and PNG have it: by carry-less products where the machine has them, else by tables.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace etm {

// The register after a bit of zero: what it holds stands for powers of x, the highest one in the lowest bit.
constexpr std::uint32_t shifted(std::uint32_t rest) { return rest >> 1 ^ (rest & 1 ? 0xEDB88320u : 0u); }

using Tables = std::array<std::array<std::uint32_t, 256>, 16>;

// Table 0 has the remainder of each byte, table i that of the byte with i zeros behind it.
constexpr Tables crc_tables() {
    Tables tables{};
    for (std::uint32_t byte = 0; byte < 256; ++byte) {
        std::uint32_t rest = byte;
        for (int bit = 0; bit < 8; ++bit) rest = shifted(rest);
        tables[0][byte] = rest;
    }
    for (std::size_t i = 1; i < 16; ++i)
        for (std::size_t byte = 0; byte < 256; ++byte) {
            const std::uint32_t before = tables[i - 1][byte];
            tables[i][byte] = (before >> 8) ^ tables[0][before & 0xFF];
        }
    return tables;
}

inline constexpr Tables CRC = crc_tables();

constexpr std::uint32_t byte(const char* at) { return static_cast<unsigned char>(*at); }

// One load, where the machine's order is this one.
constexpr std::uint32_t four(const char* at) {
    return byte(at) | byte(at + 1) << 8 | byte(at + 2) << 16 | byte(at + 3) << 24;
}

constexpr std::uint64_t eight(const char* at) {
    return four(at) | static_cast<std::uint64_t>(four(at + 4)) << 32;
}

// The share of four bytes in the checksum at the end of sixteen, `behind` tables from the last byte of them.
constexpr std::uint32_t share(std::uint32_t word, std::size_t behind) {
    return CRC[behind + 3][word & 0xFF] ^ CRC[behind + 2][word >> 8 & 0xFF] ^ CRC[behind + 1][word >> 16 & 0xFF] ^
           CRC[behind][word >> 24];
}

// The register that held `rest`, after the bytes from `at` to `end`.
constexpr std::uint32_t by_tables(const char* at, const char* end, std::uint32_t rest) {
    for (; end - at >= 16; at += 16)
        rest = share(rest ^ four(at), 12) ^ share(four(at + 4), 8) ^ share(four(at + 8), 4) ^ share(four(at + 12), 0);
    for (; at < end; ++at) rest = rest >> 8 ^ CRC[0][(rest ^ byte(at)) & 0xFF];
    return rest;
}

#if defined(__x86_64__)

// x to this power, modulo the polynomial, as a factor for `folded`; a product of two such is short of one x.
constexpr long long power(int of) {
    std::uint32_t rest = 0x80000000u;
    while (of-- > 0) rest = shifted(rest);
    return static_cast<long long>(rest) << 1;
}

#define ETM_WITH_PRODUCTS __attribute__((target("pclmul")))

ETM_WITH_PRODUCTS inline __m128i sixteen(const char* at) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
}

// Sixteen bytes that leave the rest of `before` and `distance` bits further on `next`; `by` is made for the distance.
ETM_WITH_PRODUCTS inline __m128i folded(__m128i before, __m128i by, __m128i next) {
    const __m128i first = _mm_clmulepi64_si128(before, by, 0x00), second = _mm_clmulepi64_si128(before, by, 0x11);
    return _mm_xor_si128(_mm_xor_si128(first, second), next);
}

// As `by_tables`, of 64 bytes or more.
ETM_WITH_PRODUCTS inline std::uint32_t by_products(const char* at, const char* end, std::uint32_t rest) {
    constexpr int block = 128;
    constexpr long long first = power(block + 32), second = power(block - 32);
    constexpr long long first_of_four = power(4 * block + 32), second_of_four = power(4 * block - 32);
    const __m128i by_one = _mm_set_epi64x(second, first), by_four = _mm_set_epi64x(second_of_four, first_of_four);
    __m128i a = _mm_xor_si128(sixteen(at), _mm_cvtsi32_si128(static_cast<int>(rest)));
    __m128i b = sixteen(at + 16), c = sixteen(at + 32), d = sixteen(at + 48);
    for (at += 64; end - at >= 64; at += 64) {
        a = folded(a, by_four, sixteen(at));
        b = folded(b, by_four, sixteen(at + 16));
        c = folded(c, by_four, sixteen(at + 32));
        d = folded(d, by_four, sixteen(at + 48));
    }
    a = folded(folded(folded(a, by_one, b), by_one, c), by_one, d);
    for (; end - at >= 16; at += 16) a = folded(a, by_one, sixteen(at));
    char left[16];
    _mm_storeu_si128(reinterpret_cast<__m128i*>(left), a);
    return by_tables(at, end, by_tables(left, left + 16, 0));
}

#undef ETM_WITH_PRODUCTS

inline const bool HAS_PRODUCTS = __builtin_cpu_supports("pclmul");

#endif

// The checksum of what had checksum `crc`, and then the bytes from `at` to `end`.
inline std::uint32_t crc32(const char* at, const char* end, std::uint32_t crc) {
#if defined(__x86_64__)
    if (HAS_PRODUCTS && end - at >= 64) return ~by_products(at, end, ~crc);
#endif
    return ~by_tables(at, end, ~crc);
}

inline constexpr char BRACE_TEXT[] = "{";
inline constexpr std::uint32_t BRACE = ~by_tables(BRACE_TEXT, BRACE_TEXT + 1, ~0u);

// Eight lower-case hex digits.
inline void put_hex(char* to, std::uint32_t crc) {
    for (int i = 7; i >= 0; --i, crc >>= 4) to[i] = "0123456789abcdef"[crc & 0xF];
}

}  // namespace etm
