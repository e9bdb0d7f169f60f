// What the module consists of.
#pragma once

#define Py_LIMITED_API 0x030B0000  // one binary for Python 3.11 and all later ones
#include <Python.h>

namespace etm {

// floats(values) -> bool
PyObject* floats(PyObject* module, PyObject* values);

// row(numbers, time, step, axis, epoch, stage, values) -> bytes | None
PyObject* row(PyObject* module, PyObject* const* given, Py_ssize_t count);

// rows(data, name=None) -> (numbers, [(stage, axis, names, at, times, steps, epochs, values)], others) | None
PyObject* rows(PyObject* module, PyObject* const* given, Py_ssize_t count);

// numbers(names, kinds, ways, values) -> list[float] | None
PyObject* numbers(PyObject* module, PyObject* const* given, Py_ssize_t count);

// add(sums, numbers, weight) -> None
PyObject* add(PyObject* module, PyObject* const* given, Py_ssize_t count);

}  // namespace etm
