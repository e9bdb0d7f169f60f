// The module `_lines`; `_lines.pyi` says what its functions are.
#include "lines.h"

namespace {

template <typename Function>
PyCFunction called(Function* function) {
    return reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(function));
}

PyMethodDef methods[] = {
    {"floats", etm::floats, METH_O, "Whether it is a dict of floats."},
    {"row", called(etm::row), METH_FASTCALL, "The line of one row, or None if it is not a plain one."},
    {"rows", called(etm::rows), METH_FASTCALL, "Columns of many lines, or None if they are not plain."},
    {"numbers", called(etm::numbers), METH_FASTCALL, "The numbers of a dict like those before, or None."},
    {"add", called(etm::add), METH_FASTCALL, "Add weighted numbers to sums."},
    {nullptr, nullptr, 0, nullptr},
};

PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "_lines", "Lines of values.", 0, methods, nullptr, nullptr, nullptr, nullptr,
};

}  // namespace

PyMODINIT_FUNC PyInit__lines() { return PyModuleDef_Init(&definition); }
