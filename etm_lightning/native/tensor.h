// The number in a tensor, read where it lies, through the C functions that a tensor's type offers by the protocol
// of DLPack 1.3, `__dlpack_c_exchange_api__`; the layout is the same for all versions 1.
#pragma once

#include "lines.h"

#include <cstdint>
#include <cstring>

namespace etm {

struct View {
    const char* data;
    std::int32_t device, device_number;
    std::int32_t dimensions;
    std::uint8_t code, bits;
    std::uint16_t lanes;
    const std::int64_t *shape, *strides;
    std::uint64_t offset;
};

struct Exchange {
    std::uint32_t major, minor;
    const void* older;
    const void* others[3];
    int (*look)(void* tensor, View* view);  // 0, or -1 with an error set
    const void* stream;
};

template <typename Number>
double number_at(const char* place) {
    Number number;
    std::memcpy(&number, place, sizeof(Number));
    return static_cast<double>(number);
}

inline double upper_half_at(const char* place) {
    std::uint16_t half;
    std::memcpy(&half, place, sizeof(half));
    const std::uint32_t whole = static_cast<std::uint32_t>(half) << 16;
    float number;
    std::memcpy(&number, &whole, sizeof(number));
    return number;
}

// Whether `view` shows one real number in this process's memory, of a type that C++ has; it is in `number` then.
inline bool one_number(const View& view, double& number) {
    constexpr std::int32_t memory = 1;
    enum Code { integer = 0, natural = 1, floating = 2, bfloat = 4, boolean = 6 };
    if (view.data == nullptr || view.device != memory || view.lanes != 1) return false;
    for (std::int32_t n = 0; n < view.dimensions; ++n)
        if (view.shape[n] != 1) return false;
    const char* const place = view.data + view.offset;
    const auto is = [&view](Code code, int bits) { return view.code == code && view.bits == bits; };
    if (is(floating, 32)) number = number_at<float>(place);
    else if (is(floating, 64)) number = number_at<double>(place);
    else if (is(bfloat, 16)) number = upper_half_at(place);
    else if (is(integer, 64)) number = number_at<std::int64_t>(place);
    else if (is(integer, 32)) number = number_at<std::int32_t>(place);
    else if (is(integer, 16)) number = number_at<std::int16_t>(place);
    else if (is(integer, 8)) number = number_at<std::int8_t>(place);
    else if (is(natural, 8) || is(boolean, 8)) number = number_at<std::uint8_t>(place);
    else return false;
    return true;
}

// The number of a tensor whose type has `capsule`; false if it is to be asked for it, with an error set if there is
// one. `negated` tells whether its memory has the other sign, as parts of a conjugate may.
inline bool in_tensor(PyObject* capsule, PyObject* negated, PyObject* tensor, double& number) {
    const void* const offered = PyCapsule_GetPointer(capsule, "dlpack_exchange_api");
    const Exchange* const exchange = static_cast<const Exchange*>(offered);
    if (exchange == nullptr || exchange->major != 1 || exchange->look == nullptr) return false;
    PyObject* const answer = PyObject_CallFunctionObjArgs(negated, tensor, nullptr);
    Py_XDECREF(answer);
    View view;
    return answer == Py_False && exchange->look(tensor, &view) == 0 && one_number(view, number);
}

}  // namespace etm
