// What the module consists of.
#pragma once

#define Py_LIMITED_API 0x030B0000  // one binary for Python 3.11 and all later ones
#include <Python.h>

namespace etm {

// A function as a table of methods wants it.
template <typename Function>
PyCFunction called(Function* function) {
    return reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(function));
}

// Put the type `Appender` into the module; -1 with an error set.
int add_appender(PyObject* module);

// rows(data, name=None) -> (numbers, [(stage, axis, names, at, times, steps, epochs, values)], others) | None
PyObject* rows(PyObject* module, PyObject* const* given, Py_ssize_t count);

// numbers(names, kinds, ways, values) -> list[float] | None
PyObject* numbers(PyObject* module, PyObject* const* given, Py_ssize_t count);

// add(sums, numbers, weight) -> None
PyObject* add(PyObject* module, PyObject* const* given, Py_ssize_t count);

}  // namespace etm
