// Reading: one line, as far as it is a plain row of values.
#pragma once

#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string_view>
#include <vector>

#if defined(_LIBCPP_VERSION) && !defined(ETM_WITHOUT_FROM_CHARS)
#define ETM_WITHOUT_FROM_CHARS  // LLVM's library has it for doubles since 20 only, Apple's since macOS 26
#endif
#if defined(ETM_WITHOUT_FROM_CHARS)
#include <locale.h>
#include <stdlib.h>
#if defined(__APPLE__)
#include <xlocale.h>
#endif
#endif

#include "crc.h"

namespace etm {

using std::string_view;
using namespace std::literals;

constexpr string_view FIRST = R"({"c":")"sv;
constexpr string_view SCALARS = R"(","k":"scalars","n":)"sv;
constexpr std::size_t SUM = 16;  // where that begins which the checksum is taken over, but for the brace
constexpr std::int64_t NO_EPOCH = -std::numeric_limits<std::int64_t>::max();

inline bool has(string_view line, std::size_t at, string_view text) {
    return line.size() >= at + text.size() && line.compare(at, text.size(), text) == 0;
}

// A row as it lies in its line: names are bytes of the line, without escapes.
struct ScannedRow {
    std::int64_t number, step, epoch;
    double time;
    string_view axis, stage;
    std::vector<string_view> names;
    std::vector<double> values;
    std::vector<string_view> expected;  // the names of the line before, wanted or not
};

// The double nearest to a number of JSON's, all that lies from `begin` to `end`; false if there is none.
#if defined(ETM_WITHOUT_FROM_CHARS)
inline const locale_t POINT = newlocale(LC_ALL_MASK, "C", nullptr);  // the program's may have a comma

// It reads no further than the end of the line.
inline bool nearest(const char* begin, const char* end, double& found) {
    char* stop = nullptr;
    found = strtod_l(begin, &stop, POINT);
    return stop == end && std::isfinite(found);
}
#else
inline bool nearest(const char* begin, const char* end, double& found) {
    const auto [stop, error] = std::from_chars(begin, end, found);
    return error == std::errc() && stop == end;
}
#endif

// Reads a line from its front. Each method takes what it is named for, or returns false.
class Scanner {
   public:
    explicit Scanner(string_view line) : at_(line.data()), end_(line.data() + line.size()) {}

    bool done() const { return at_ == end_; }

    bool token(string_view text) {
        if (static_cast<std::size_t>(end_ - at_) < text.size() || std::memcmp(at_, text.data(), text.size()) != 0)
            return false;
        at_ += text.size();
        return true;
    }

    // A text up to and with its closing quote.
    bool text(string_view& found) {
        const char* begin = at_;
        for (; at_ < end_ && *at_ != '"'; ++at_)
            if (static_cast<unsigned char>(*at_) < 0x20 || *at_ == '\\') return false;
        if (at_ == end_) return false;
        found = string_view(begin, static_cast<std::size_t>(at_++ - begin));
        return true;
    }

    // An integer of 18 digits at most.
    bool integer(std::int64_t& found) {
        const bool negative = token("-"sv);
        const char* begin = at_;
        std::int64_t value = 0;
        for (; digit() && at_ - begin < 18; ++at_) value = value * 10 + (*at_ - '0');
        const auto size = at_ - begin;
        if (size == 0 || (*begin == '0' && (size > 1 || negative)) || goes_on()) return false;
        found = negative ? -value : value;
        return true;
    }

    // A number of JSON's as the nearest double.
    bool number(double& found) {
        const char* begin = at_;
        if (!skip_number()) return false;
        return nearest(begin, at_, found) && !(found == 0 && *begin == '-' && at_ - begin == 2);
    }

    bool skip_number() {
        token("-"sv);
        if (skip_short()) return true;
        const char* begin = at_;
        if (!digits() || (*begin == '0' && at_ - begin > 1)) return false;
        if (at_ < end_ && *at_ == '.' && (++at_, !digits())) return false;
        if (at_ < end_ && (*at_ == 'e' || *at_ == 'E')) {
            if (++at_ < end_ && (*at_ == '+' || *at_ == '-')) ++at_;
            return digits();
        }
        return true;
    }

    // One of the numbers that JSON does not have, as a text.
    bool nonfinite(double& found) {
        constexpr double infinity = std::numeric_limits<double>::infinity();
        if (token(R"("nan")"sv)) found = std::numeric_limits<double>::quiet_NaN();
        else if (token(R"("inf")"sv)) found = infinity;
        else if (token(R"("-inf")"sv)) found = -infinity;
        else return false;
        return true;
    }

    // The names and values of an object behind its opening brace; with `only` that name's alone.
    template <bool finite>
    bool object(const string_view* only, ScannedRow& row, std::size_t& count) {
        if (token("}"sv)) return true;
        double found = 0;
        do {
            if (count == row.expected.size()) row.expected.emplace_back();
            string_view& name = row.expected[count++];
            if (!again(name) && (!token("\""sv) || !text(name) || !token(":"sv))) return false;
            const bool wanted = only == nullptr || name == *only;
            if (!(!finite ? nonfinite(found) : wanted ? number(found) : skip_number())) return false;
            if (wanted) {
                row.names.push_back(name);
                row.values.push_back(found);
            }
        } while (token(","sv));
        return token("}"sv);
    }

   private:
    const char *at_, *end_;

    // A name that an earlier line has, with its quotes and the colon.
    bool again(string_view name) {
        if (name.data() == nullptr) return false;
        const char* const quoted = name.data() - 1;
        const std::size_t size = name.size() + 3;
        if (size < 8) return token(string_view(quoted, size));
        if (static_cast<std::size_t>(end_ - at_) < size) return false;
        for (std::size_t i = 0; i + 8 < size; i += 8)
            if (eight(at_ + i) != eight(quoted + i)) return false;
        if (eight(at_ + size - 8) != eight(quoted + size - 8)) return false;
        at_ += size;
        return true;
    }

    // A number as most are, digits and perhaps a fraction, by no branch that depends on how long it is.
    bool skip_short() {
        if (end_ - at_ < 24) return false;
        std::uint32_t others = not_digits(at_) | not_digits(at_ + 8) << 8 | not_digits(at_ + 16) << 16;
        if (others == 0) return false;
        int size = __builtin_ctz(others);
        if (size == 0 || (*at_ == '0' && size > 1)) return false;
        if (at_[size] == '.') {
            others &= others - 1;
            if (others == 0) return false;
            const int whole = __builtin_ctz(others);
            if (whole == size + 1) return false;
            size = whole;
        }
        if (at_[size] == 'e' || at_[size] == 'E') return false;
        at_ += size;
        return true;
    }

    // Which of eight bytes are no digits, the first one in the lowest bit.
    static std::uint32_t not_digits(const char* at) {
        // 0 to 9 for digits: what is added does not reach the highest bit of their bytes
        const std::uint64_t less = eight(at) ^ 0x3030303030303030u;
        const std::uint64_t other = ((less + 0x7676767676767676u) | less) & 0x8080808080808080u;
        return static_cast<std::uint32_t>((other >> 7) * 0x0102040810204080u >> 56);
    }

    bool digit() const { return at_ < end_ && *at_ >= '0' && *at_ <= '9'; }
    bool digits() {
        const char* begin = at_;
        while (digit()) ++at_;
        return at_ > begin;
    }
    bool goes_on() const { return at_ < end_ && (digit() || *at_ == '.' || *at_ == 'e' || *at_ == 'E'); }
};

// Take a line, given without its newline; false if it is not an intact row, its fields in the writer's order.
inline bool take(string_view line, const string_view* only, ScannedRow& row) {
    char sum[8];
    put_hex(sum, crc32(line.data() + SUM, line.data() + line.size(), BRACE));
    if (std::memcmp(sum, line.data() + FIRST.size(), 8) != 0) return false;
    Scanner rest(line.substr(FIRST.size() + 8 + SCALARS.size()));
    row.axis = "step"sv;
    row.stage = ""sv;
    row.epoch = NO_EPOCH;
    row.names.clear();
    row.values.clear();
    std::size_t count = 0;
    if (!rest.integer(row.number) || row.number < 0) return false;
    if (!rest.token(R"(,"t":)"sv) || !rest.number(row.time)) return false;
    if (!rest.token(R"(,"s":)"sv) || !rest.integer(row.step)) return false;
    if (rest.token(R"(,"a":")"sv) && !rest.text(row.axis)) return false;
    if (rest.token(R"(,"e":)"sv) && !rest.integer(row.epoch)) return false;
    if (rest.token(R"(,"g":")"sv) && !rest.text(row.stage)) return false;
    if (rest.token(R"(,"v":{)"sv) && !rest.object<true>(only, row, count)) return false;
    if (rest.token(R"(,"x":{)"sv) && !rest.object<false>(only, row, count)) return false;
    return rest.token("}"sv) && rest.done();
}

}  // namespace etm
