// Writing: `Appender`, the part of a `Journal` that appends rows. What it does under which condition is said in
// `journal.py`, whose `append_row` does the same; what is not plain is left to `append`.
#include "lines.h"

#include <structmember.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <utility>

#include "row.h"

namespace etm {
namespace {

// The names of rows that follow each other, and the values of the last one.
struct Shape {
    bool told;  // whether these are in `latest`
    std::size_t size;
    Value items[1];  // with references to their keys
};

struct Appender {
    PyObject_HEAD
    long long fd, total, limit;
    PyObject *numbers, *enter, *leave;  // an iterator, and what a lock offers
    PyObject *keep, *write, *timer;     // None for nobody, and for those of the system
    PyObject* latest;                   // by stage and axis
    PyObject *of, *stage, *axis, *place;  // where the last row's values go, and in which `latest`
    Shape* shape;                         // of the last row
};

// A reference of one's own.
class Owned {
   public:
    explicit Owned(PyObject* object) : object_(object) {}
    Owned(const Owned&) = delete;
    ~Owned() { Py_XDECREF(object_); }
    explicit operator bool() const { return object_ != nullptr; }
    PyObject* get() const { return object_; }

   private:
    PyObject* object_;
};

void set(PyObject*& member, PyObject* value) {
    Py_XINCREF(value);
    Py_XDECREF(std::exchange(member, value));
}

// Seconds of a clock that only goes forward; -1 with an error set.
double seconds(const Appender& self) {
    if (self.timer != Py_None) {
        const Owned now(PyObject_CallNoArgs(self.timer));
        return now ? PyFloat_AsDouble(now.get()) : -1;
    }
    timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

// Bring `latest` up to date.
bool tell(Appender& self) {
    Shape* const shape = self.shape;
    if (shape == nullptr || shape->told) return true;
    for (std::size_t n = 0; n < shape->size; ++n) {
        const Owned value(PyFloat_FromDouble(shape->items[n].value));
        if (!value || PyDict_SetItem(self.place, shape->items[n].key, value.get()) != 0) return false;
    }
    return shape->told = true;
}

void drop(Shape*& shape) {
    Shape* const dropped = std::exchange(shape, nullptr);
    for (std::size_t n = 0; dropped != nullptr && n < dropped->size; ++n) Py_DECREF(dropped->items[n].key);
    PyMem_Free(dropped);
}

// Find the place of a stage and an axis in `latest`; false where these are no texts, with an error set only if
// there is one.
bool turn(Appender& self, PyObject* stage, PyObject* axis) {
    if (self.of == self.latest && self.stage == stage && self.axis == axis) return true;
    if (!PyUnicode_CheckExact(stage) || !PyUnicode_CheckExact(axis)) return false;
    const Owned key(PyTuple_Pack(2, stage, axis));
    if (!key) return false;
    PyObject* place = PyDict_GetItemWithError(self.latest, key.get());
    if (place == nullptr && PyErr_Occurred()) return false;
    const Owned fresh(place == nullptr ? PyDict_New() : nullptr);
    if (place == nullptr) place = fresh.get();
    if (place == nullptr || (fresh && PyDict_SetItem(self.latest, key.get(), place) != 0)) return false;
    if (!tell(self)) return false;
    drop(self.shape);
    set(self.of, self.latest), set(self.stage, stage), set(self.axis, axis), set(self.place, place);
    return true;
}

// The values of a row are the latest ones of its place.
bool follow(Appender& self, const Row& row) {
    const auto& values = row.values();
    const auto alike = [](const Value& one, const Value& other) {
        return one.key == other.key || one.name == other.name;
    };
    if (self.shape == nullptr || self.shape->size != values.size() ||
        !std::equal(values.begin(), values.end(), self.shape->items, alike)) {
        if (!tell(self)) return false;
        drop(self.shape);
        Shape* const fresh = static_cast<Shape*>(
            PyMem_Malloc(sizeof(Shape) + (values.size() - 1) * sizeof(Shape::items[0])));
        if (fresh == nullptr) return PyErr_NoMemory() != nullptr;
        fresh->size = values.size();
        Value* item = fresh->items;
        for (const Value& one : values) {
            Py_INCREF(one.key);
            *item++ = one;
        }
        self.shape = fresh;
    }
    Value* item = self.shape->items;
    for (const Value& one : values) item++->value = one.value;
    self.shape->told = false;
    return true;
}

// How many bytes of a line were written: fewer than it has if the disk refuses. -1 with an error set if that is
// no error of the disk.
Py_ssize_t written(const Appender& self, PyObject* line) {
    char* data = nullptr;
    Py_ssize_t size = 0, done = 0;
    bool again = false;
    if (self.write != Py_None) {
        const Owned fd(PyLong_FromLongLong(self.fd));
        const Owned answer(fd ? PyObject_CallFunctionObjArgs(self.write, fd.get(), line, nullptr) : nullptr);
        if (answer) return PyLong_AsSsize_t(answer.get());
        if (!PyErr_ExceptionMatches(PyExc_OSError)) return -1;
        PyErr_Clear();
        return 0;
    }
    if (PyBytes_AsStringAndSize(line, &data, &size) != 0) return -1;
    do {
        Py_BEGIN_ALLOW_THREADS
        done = ::write(static_cast<int>(self.fd), data, static_cast<std::size_t>(size));
        Py_END_ALLOW_THREADS
        again = done < 0 && errno == EINTR;
        if (again && PyErr_CheckSignals() != 0) return -1;
    } while (again);
    return done < 0 ? 0 : done;
}

// The sealed line of a row, with the next number.
PyObject* sealed(const Appender& self, Row& row) {
    Few<char, 4096> line;
    if (!line.resize(row.size())) return nullptr;
    const Owned number(PyIter_Next(self.numbers));
    long long n = 0;
    if (!number || !plain(number.get(), n)) {
        if (!PyErr_Occurred()) PyErr_SetString(PyExc_ValueError, "`_numbers` must give integers of 64 bits");
        return nullptr;
    }
    return PyBytes_FromStringAndSize(line.begin(), row.write(line.begin(), n) - line.begin());
}

// `append_row` while the lock is held.
PyObject* appended(Appender& self, PyObject* const* given) {
    PyObject* const journal = reinterpret_cast<PyObject*>(&self);
    if (self.total > self.limit) {
        const Owned made(PyObject_CallMethod(journal, "_make_room", nullptr));
        if (!made) return nullptr;
    }
    Row row;
    // once the row is taken no code of Python's runs until its line is made: that might change `values`
    if (!turn(self, given[4], given[2]) || !row.take(given)) {
        if (PyErr_Occurred()) return nullptr;
        Py_RETURN_NONE;
    }
    if (!follow(self, row)) return nullptr;
    const Owned line(sealed(self, row));
    if (!line) return nullptr;
    const double begin = seconds(self);
    if (begin == -1 && PyErr_Occurred()) return nullptr;
    const Py_ssize_t size = PyBytes_Size(line.get()), done = written(self, line.get());
    if (done < 0) return nullptr;
    if (done != size) {
        const Owned anew(PyObject_CallMethod(journal, "_write_line_anew", "O", line.get()));
        if (!anew) return nullptr;
    }
    self.total += size;
    if (self.keep != Py_None) {
        const Owned kept(PyObject_CallFunctionObjArgs(self.keep, line.get(), nullptr));
        if (!kept) return nullptr;
    }
    const double end = seconds(self);
    return end == -1 && PyErr_Occurred() ? nullptr : PyFloat_FromDouble(end - begin);
}

PyObject* append_row(PyObject* object, PyObject* const* given, Py_ssize_t count) {
    Appender& self = *reinterpret_cast<Appender*>(object);
    if (count != 6) {
        PyErr_SetString(PyExc_TypeError, "append_row takes time, step, axis, epoch, stage and values");
        return nullptr;
    }
    if (!self.numbers || !self.enter || !self.leave || !self.keep || !self.write || !self.timer || !self.latest ||
        !PyIter_Check(self.numbers) || !PyDict_CheckExact(self.latest)) {
        PyErr_SetString(PyExc_AttributeError, "something is missing that `append_row` needs");
        return nullptr;
    }
    const Owned entered(PyObject_CallNoArgs(self.enter));
    if (!entered) return nullptr;
    PyObject* took = appended(self, given);
    PyObject *kind = nullptr, *error = nullptr, *trace = nullptr;
    if (took == nullptr) PyErr_Fetch(&kind, &error, &trace);
    const Owned left(PyObject_CallNoArgs(self.leave));
    if (!left) Py_CLEAR(took);
    if (kind != nullptr) PyErr_Restore(kind, error, trace);
    return took;
}

PyObject* tell_latest(PyObject* object, PyObject*) {
    if (!tell(*reinterpret_cast<Appender*>(object))) return nullptr;
    Py_RETURN_NONE;
}

void dealloc(PyObject* object) {
    Appender& self = *reinterpret_cast<Appender*>(object);
    drop(self.shape);
    for (PyObject** member : {&self.numbers, &self.enter, &self.leave, &self.keep, &self.write, &self.timer,
                              &self.latest, &self.of, &self.stage, &self.axis, &self.place})
        set(*member, nullptr);
    PyTypeObject* const type = Py_TYPE(object);
    reinterpret_cast<freefunc>(PyType_GetSlot(type, Py_tp_free))(object);
    Py_DECREF(type);
}

#define MEMBER(name, kind) {"_" #name, kind, offsetof(Appender, name), 0, nullptr}

PyMemberDef members[] = {
    MEMBER(fd, T_LONGLONG),
    MEMBER(total, T_LONGLONG),
    MEMBER(limit, T_LONGLONG),
    MEMBER(numbers, T_OBJECT_EX),
    MEMBER(enter, T_OBJECT_EX),
    MEMBER(leave, T_OBJECT_EX),
    MEMBER(keep, T_OBJECT_EX),
    {"_write_row", T_OBJECT_EX, offsetof(Appender, write), 0, nullptr},
    {"_time_row", T_OBJECT_EX, offsetof(Appender, timer), 0, nullptr},
    {"latest", T_OBJECT_EX, offsetof(Appender, latest), 0, nullptr},
    {nullptr, 0, 0, 0, nullptr},
};

PyMethodDef methods[] = {
    {"append_row", called(append_row), METH_FASTCALL, "Append a row, if it is a plain one."},
    {"tell_latest", tell_latest, METH_NOARGS, "Bring `latest` up to date."},
    {nullptr, nullptr, 0, nullptr},
};

PyType_Slot slots[] = {
    {Py_tp_dealloc, reinterpret_cast<void*>(dealloc)},
    {Py_tp_members, members},
    {Py_tp_methods, methods},
    {Py_tp_doc, const_cast<char*>("Appends rows to the open file of a journal.")},
    {0, nullptr},
};

PyType_Spec spec = {
    "etm_lightning.native._lines.Appender", sizeof(Appender), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, slots,
};

}  // namespace

int add_appender(PyObject* module) {
    const Owned type(PyType_FromSpec(&spec));
    return type ? PyModule_AddObjectRef(module, "Appender", type.get()) : -1;
}

}  // namespace etm
