// One row of values as a sealed line, byte for byte as `append` in `journal.py` makes it.
#pragma once

#include "lines.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <string_view>

#include "crc.h"

namespace etm {

using std::string_view;
using namespace std::literals;

inline constexpr string_view HEAD = R"({"c":"00000000",)"sv;
inline constexpr string_view KIND = R"("k":"scalars","n":)"sv;
inline constexpr std::size_t NUMBER = 25;  // characters of the longest number
inline constexpr std::size_t FIXED = 90 + 4 * NUMBER;

// Room for some items: on the stack if they are few. `resize` may fail with an error set.
template <typename Item, std::size_t most>
class Few {
   public:
    Few() = default;
    Few(const Few&) = delete;
    ~Few() { if (begin_ != few_) PyMem_Free(begin_); }

    bool resize(std::size_t size) {
        size_ = size;
        if (size <= most) return true;
        void* const room = PyMem_Malloc(size * sizeof(Item));
        if (room == nullptr) return PyErr_NoMemory() != nullptr;
        begin_ = static_cast<Item*>(room);
        return true;
    }
    Item* begin() { return begin_; }
    Item* end() { return begin_ + size_; }
    const Item* begin() const { return begin_; }
    const Item* end() const { return begin_ + size_; }
    std::size_t size() const { return size_; }

   private:
    Item few_[most];
    Item* begin_ = few_;
    std::size_t size_ = 0;
};

inline char* put(char* to, string_view text) {
    std::memcpy(to, text.data(), text.size());
    return to + text.size();
}

inline char* put(char* to, long long value) { return std::to_chars(to, to + NUMBER, value).ptr; }

// The shortest digits that are read back as `value`, set as msgspec sets them: 1.0, 0.00001, 1e-6, 1e16. A text where
// JSON has no number.
inline char* put(char* to, double value) {
    const double size = std::fabs(value);
    if (size == 0 || (1e-5 <= size && size < 1e16)) {
        char* end = std::to_chars(to, to + NUMBER, value, std::chars_format::fixed).ptr;
        return size == static_cast<double>(static_cast<long long>(size)) ? put(end, ".0"sv) : end;
    }
    if (std::isnan(value)) return put(to, R"("nan")"sv);
    if (std::isinf(value)) return put(to, value > 0 ? R"("inf")"sv : R"("-inf")"sv);
    char* end = std::to_chars(to, to + NUMBER, value, std::chars_format::scientific).ptr;
    char* exponent = end - 1;
    while (*exponent != 'e') --exponent;
    char* from = ++exponent;
    if (*from++ == '-') ++exponent;
    while (*from == '0') ++from;
    while (from < end) *exponent++ = *from++;
    return exponent;
}

// Whether JSON has to escape one of eight bytes.
inline bool odd(std::uint64_t bytes) {
    constexpr std::uint64_t ones = 0x0101010101010101u, highest = ones << 7;
    // of the lowest such byte, the highest bit is not set, and is once something is subtracted
    const auto below = [](std::uint64_t some, std::uint64_t least) { return (some - ones * least) & ~some; };
    return ((below(bytes, 0x20) | below(bytes ^ ones * '"', 1) | below(bytes ^ ones * '\\', 1)) & highest) != 0;
}

inline bool odd(char byte) { return static_cast<unsigned char>(byte) < 0x20 || byte == '"' || byte == '\\'; }

// The UTF-8 of a str that JSON takes as it is; false for any other, with an error set if memory is out.
inline bool plain(PyObject* text, string_view& found) {
    if (!PyUnicode_CheckExact(text)) return false;
    Py_ssize_t size = 0;
    const char* data = PyUnicode_AsUTF8AndSize(text, &size);
    if (data == nullptr) {
        if (!PyErr_ExceptionMatches(PyExc_MemoryError)) PyErr_Clear();
        return false;
    }
    found = string_view(data, static_cast<std::size_t>(size));
    if (size < 8) return std::none_of(data, data + size, [](char byte) { return odd(byte); });
    bool escaped = odd(eight(data + size - 8));
    for (Py_ssize_t at = 0; at + 8 < size; at += 8) escaped |= odd(eight(data + at));
    return !escaped;
}

inline bool plain(PyObject* number, double& found) {
    if (!PyFloat_CheckExact(number)) return false;
    found = PyFloat_AsDouble(number);
    return std::isfinite(found);
}

inline bool plain(PyObject* number, long long& found) {
    if (!PyLong_CheckExact(number)) return false;
    int overflow = 0;
    found = PyLong_AsLongLongAndOverflow(number, &overflow);
    return overflow == 0;
}

// As the float that it becomes, finite or not; not of an integer that a float does not hold.
inline bool measured(PyObject* number, double& found) {
    if (PyFloat_CheckExact(number)) {
        found = PyFloat_AsDouble(number);
        return true;
    }
    long long whole = 0;
    if (!plain(number, whole) || whole > 1LL << 53 || whole < -(1LL << 53)) return false;
    found = static_cast<double>(whole);
    return true;
}

struct Value {
    PyObject* key;  // whose text `name` is
    string_view name;
    double value;
};

// A row, of which `take` says whether all of it is plain; if not, an error may be set.
class Row {
   public:
    // From time, step, axis, epoch, stage and values.
    bool take(PyObject* const* given) {
        PyObject* const values = given[5];
        in_epoch_ = given[3] != Py_None;
        if (!plain(given[0], time_) || !plain(given[1], step_) || !plain(given[2], axis_) ||
            !plain(given[4], stage_) || (in_epoch_ && !plain(given[3], epoch_)) || !PyDict_CheckExact(values))
            return false;
        if (std::fabs(time_) < 1e12) time_ = std::floor(time_ * 1e3 + 1e-3) / 1e3 + 0.0;  // never -0.0
        size_ = FIXED + axis_.size() + stage_.size();
        const Py_ssize_t count = PyDict_Size(values);
        if (count == 0 || !values_.resize(static_cast<std::size_t>(count))) return false;
        Value *next = values_.begin(), *others = values_.end();
        PyObject* value;
        Py_ssize_t place = 0;
        while (next != others) {
            if (!PyDict_Next(values, &place, &next->key, &value) || !measured(value, next->value) ||
                !plain(next->key, next->name))
                return false;
            size_ += next->name.size() + 4 + NUMBER;
            if (std::isfinite(next->value))
                ++next;
            else
                *--others = *next;  // the last one first
        }
        nonfinite_ = next;
        std::reverse(nonfinite_, values_.end());
        return true;
    }

    // The finite ones, and behind them the others, as they follow each other in the line.
    const Few<Value, 64>& values() const { return values_; }

    // How many bytes its line may need.
    std::size_t size() const { return size_; }

    // Write its line, which has number `n`; where it ends.
    char* write(char* line, long long n) {
        char* to = put(put(put(line, HEAD), KIND), n);
        to = put(put(to, R"(,"t":)"sv), time_);
        to = put(put(to, R"(,"s":)"sv), step_);
        if (axis_ != "step"sv) to = put(put(put(to, R"(,"a":")"sv), axis_), "\""sv);
        if (in_epoch_) to = put(put(to, R"(,"e":)"sv), epoch_);
        if (!stage_.empty()) to = put(put(put(to, R"(,"g":")"sv), stage_), "\""sv);
        string_view before = R"(,"v":{")"sv;
        for (const Value& one : values_) {
            if (&one == nonfinite_) before = &one == values_.begin() ? R"(,"x":{")"sv : R"(},"x":{")"sv;
            to = put(put(put(put(to, before), one.name), "\":"sv), one.value);
            before = ",\""sv;
        }
        to = put(to, "}}"sv);
        put_hex(line + 6, crc32(line + HEAD.size(), to, BRACE));
        *to++ = '\n';
        return to;
    }

   private:
    double time_ = 0;
    long long step_ = 0, epoch_ = 0;
    bool in_epoch_ = false;
    string_view axis_, stage_;
    Few<Value, 64> values_;
    Value* nonfinite_ = nullptr;  // the first of them
    std::size_t size_ = 0;
};

}  // namespace etm
