// CRC-32 as zlib, gzip and PNG have it, sixteen bytes at a time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace etm {

using Tables = std::array<std::array<std::uint32_t, 256>, 16>;

// Table 0 has the remainder of each byte, table i that of the byte with i zeros behind it.
constexpr Tables crc_tables() {
    Tables tables{};
    for (std::uint32_t byte = 0; byte < 256; ++byte) {
        std::uint32_t rest = byte;
        for (int bit = 0; bit < 8; ++bit) rest = (rest >> 1) ^ (rest & 1 ? 0xEDB88320u : 0u);
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

// The checksum of what had checksum `crc`, and then the bytes from `at` to `end`.
constexpr std::uint32_t crc32(const char* at, const char* end, std::uint32_t crc = 0) {
    crc = ~crc;
    for (; end - at >= 16; at += 16)
        crc = share(crc ^ four(at), 12) ^ share(four(at + 4), 8) ^ share(four(at + 8), 4) ^ share(four(at + 12), 0);
    for (; at < end; ++at) crc = crc >> 8 ^ CRC[0][(crc ^ byte(at)) & 0xFF];
    return ~crc;
}

inline constexpr char BRACE_TEXT[] = "{";
inline constexpr std::uint32_t BRACE = crc32(BRACE_TEXT, BRACE_TEXT + 1);

// Eight lower-case hex digits.
inline void put_hex(char* to, std::uint32_t crc) {
    for (int i = 7; i >= 0; --i, crc >>= 4) to[i] = "0123456789abcdef"[crc & 0xF];
}

}  // namespace etm
