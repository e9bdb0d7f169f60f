// Taking values: the numbers of a call of `fast_log`, and their sums over an epoch.
#include <cstring>

#include "lines.h"

namespace etm {
namespace {

bool same(PyObject* one, PyObject* other) {
    return one == other ||
           (PyUnicode_CheckExact(one) && PyUnicode_CheckExact(other) && PyUnicode_Compare(one, other) == 0);
}

// What `way` makes of a value, as a float; null with an error set if it does not.
PyObject* number(PyObject* way, PyObject* value) {
    PyObject* const found = PyObject_CallFunctionObjArgs(way, value, nullptr);
    if (found == nullptr || PyFloat_CheckExact(found)) return found;
    PyObject* const converted = PyNumber_Float(found);
    Py_DECREF(found);
    return converted;
}

// The values of a dict if it has just these names, in this order, and just these types; null if not, with an
// error set only if there is one.
PyObject* taken(PyObject* names, PyObject* kinds, PyObject* values) {
    const Py_ssize_t size = PyTuple_Size(names);
    if (!PyDict_CheckExact(values) || PyDict_Size(values) != size) return nullptr;
    PyObject* const found = PyList_New(size);
    PyObject *key, *value;
    Py_ssize_t place = 0;
    for (Py_ssize_t n = 0; found != nullptr && n < size; ++n) {  // no code of Python's runs in here
        if (!PyDict_Next(values, &place, &key, &value) || !same(key, PyTuple_GetItem(names, n)) ||
            reinterpret_cast<PyObject*>(Py_TYPE(value)) != PyTuple_GetItem(kinds, n)) {
            Py_DECREF(found);
            return nullptr;
        }
        Py_INCREF(value);
        PyList_SetItem(found, n, value);
    }
    return found;
}

}  // namespace

PyObject* numbers(PyObject*, PyObject* const* given, Py_ssize_t count) {
    if (count != 4 || !PyTuple_CheckExact(given[0]) || !PyTuple_CheckExact(given[1]) || !PyTuple_CheckExact(given[2]) ||
        PyTuple_Size(given[0]) != PyTuple_Size(given[1]) || PyTuple_Size(given[0]) != PyTuple_Size(given[2])) {
        PyErr_SetString(PyExc_TypeError, "numbers takes names, types and ways, tuples of one size, and values");
        return nullptr;
    }
    PyObject* const found = taken(given[0], given[1], given[3]);
    if (found == nullptr) {
        if (PyErr_Occurred()) return nullptr;
        Py_RETURN_NONE;
    }
    const Py_ssize_t size = PyTuple_Size(given[2]);
    for (Py_ssize_t n = 0; n < size; ++n) {
        PyObject* const way = PyTuple_GetItem(given[2], n);
        if (way == Py_None) continue;
        PyObject* const value = PyList_GetItem(found, n);  // a way may be Python's, which finds every list
        Py_XINCREF(value);
        PyObject* const one = value == nullptr ? nullptr : number(way, value);
        Py_XDECREF(value);
        if (one == nullptr || PyList_SetItem(found, n, one) != 0) {
            Py_DECREF(found);
            return nullptr;
        }
    }
    return found;
}

PyObject* add(PyObject*, PyObject* const* given, Py_ssize_t count) {
    if (count != 3 || !PyList_CheckExact(given[1])) {
        PyErr_SetString(PyExc_TypeError, "add takes an array of doubles, a list of floats and a weight");
        return nullptr;
    }
    const double weight = PyFloat_AsDouble(given[2]);
    if (weight == -1 && PyErr_Occurred()) return nullptr;
    Py_buffer sums;
    if (PyObject_GetBuffer(given[0], &sums, PyBUF_WRITABLE | PyBUF_FORMAT) != 0) return nullptr;
    const Py_ssize_t size = PyList_Size(given[1]);
    bool right = sums.format != nullptr && std::strcmp(sums.format, "d") == 0 &&
                 sums.len == size * static_cast<Py_ssize_t>(sizeof(double));
    double* const to = static_cast<double*>(sums.buf);
    for (Py_ssize_t n = 0; right && n < size; ++n) {
        PyObject* const one = PyList_GetItem(given[1], n);
        right = PyFloat_CheckExact(one);
        if (right) to[n] += weight * PyFloat_AsDouble(one);
    }
    PyBuffer_Release(&sums);
    if (!right) {
        PyErr_SetString(PyExc_TypeError, "`sums` must be doubles, and as many floats must be added");
        return nullptr;
    }
    Py_RETURN_NONE;
}

}  // namespace etm
