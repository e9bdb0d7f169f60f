// The module `_lines`; `_lines.pyi` says what is in it.
#include "lines.h"

namespace {

PyMethodDef methods[] = {
    {"rows", etm::called(etm::rows), METH_FASTCALL, "Columns of many lines, or None if they are not plain."},
    {"numbers", etm::called(etm::numbers), METH_FASTCALL, "The numbers of a dict like those before, or None."},
    {"add", etm::called(etm::add), METH_FASTCALL, "Add weighted numbers to sums."},
    {nullptr, nullptr, 0, nullptr},
};

PyModuleDef_Slot slots[] = {{Py_mod_exec, reinterpret_cast<void*>(etm::add_appender)}, {0, nullptr}};

PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "_lines", "Lines of values.", 0, methods, slots, nullptr, nullptr, nullptr,
};

}  // namespace

PyMODINIT_FUNC PyInit__lines() { return PyModuleDef_Init(&definition); }
