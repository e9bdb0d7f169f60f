// Reading: the rows of many lines in columns.
#include "lines.h"

#include <algorithm>
#include <new>
#include <string>
#include <unordered_map>

#include "scan.h"

namespace etm {
namespace {

using Ints = std::vector<std::int64_t>;
using Floats = std::vector<double>;

// Rows with the same values in the same order; `at` says which lines they are.
struct Shape {
    std::string stage, axis;
    std::vector<std::string> names;
    Ints at, steps, epochs;
    Floats times, values;  // the values row by row

    bool fits(const ScannedRow& row) const {
        return row.stage == stage && row.axis == axis &&
               std::equal(names.begin(), names.end(), row.names.begin(), row.names.end());
    }
};

struct Other {
    Py_ssize_t at, begin, end;
};

class Rows {
   public:
    Ints numbers;  // of each line; -1 where it is no row
    std::vector<Shape> shapes;
    std::vector<Other> others;

    // Whether all lines that say they hold values are plain rows, and the last one has its newline.
    bool take(string_view data, const string_view* only) {
        ScannedRow row;
        for (std::size_t begin = 0, end; begin < data.size(); begin = end + 1) {
            end = data.find('\n', begin);
            if (end == string_view::npos) return false;
            const string_view line = data.substr(begin, end - begin);
            if (!has(line, 21, "scalars\""sv)) {
                others.push_back({static_cast<Py_ssize_t>(numbers.size()), static_cast<Py_ssize_t>(begin),
                                  static_cast<Py_ssize_t>(end)});
                numbers.push_back(-1);
                continue;
            }
            if (!has(line, 0, FIRST) || !has(line, FIRST.size() + 8, SCALARS) || !etm::take(line, only, row))
                return false;
            numbers.push_back(row.number);
            if (only != nullptr && row.names.empty()) continue;
            Shape* const shape = shape_of(row);
            if (shape == nullptr) return false;
            shape->at.push_back(static_cast<std::int64_t>(numbers.size()) - 1);
            shape->times.push_back(row.time);
            shape->steps.push_back(row.step);
            shape->epochs.push_back(row.epoch);
            shape->values.insert(shape->values.end(), row.values.begin(), row.values.end());
        }
        return true;
    }

   private:
    std::unordered_map<std::string, std::size_t> places_;  // of the shapes, by what they have in common
    std::size_t last_ = 0;

    // The shape of a row; null if a name comes twice in it.
    Shape* shape_of(const ScannedRow& row) {
        if (last_ < shapes.size() && shapes[last_].fits(row)) return &shapes[last_];
        std::string key;  // no text in it holds a byte below 0x20
        for (const string_view text : {row.stage, row.axis}) key.append(text).push_back('\0');
        for (const string_view name : row.names) key.append(name).push_back('\0');
        const auto [found, is_new] = places_.try_emplace(std::move(key), shapes.size());
        last_ = found->second;
        if (is_new) {
            std::vector<string_view> sorted(row.names);
            std::sort(sorted.begin(), sorted.end());
            if (std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end()) return nullptr;
            Shape shape;
            shape.stage = row.stage;
            shape.axis = row.axis;
            shape.names.assign(row.names.begin(), row.names.end());
            shapes.push_back(std::move(shape));
        }
        return &shapes[last_];
    }
};

template <typename Number>
PyObject* bytes(const std::vector<Number>& numbers) {
    return PyBytes_FromStringAndSize(reinterpret_cast<const char*>(numbers.data()),
                                     static_cast<Py_ssize_t>(numbers.size() * sizeof(Number)));
}

// The values name by name.
PyObject* columns(const Shape& shape) {
    PyObject* found =
        PyBytes_FromStringAndSize(nullptr, static_cast<Py_ssize_t>(shape.values.size() * sizeof(double)));
    if (found == nullptr) return nullptr;
    char* to = PyBytes_AsString(found);
    const std::size_t width = shape.names.size();
    for (std::size_t name = 0; name < width; ++name)
        for (std::size_t at = name; at < shape.values.size(); at += width, to += sizeof(double))
            std::memcpy(to, &shape.values[at], sizeof(double));
    return found;
}

PyObject* text(const std::string& utf8) {
    return PyUnicode_DecodeUTF8(utf8.data(), static_cast<Py_ssize_t>(utf8.size()), nullptr);
}

// A list of what `made` makes of each item; null, with an error set, if it cannot.
template <typename Items, typename Made>
PyObject* list(const Items& items, Made made) {
    PyObject* found = PyList_New(static_cast<Py_ssize_t>(items.size()));
    if (found == nullptr) return nullptr;
    Py_ssize_t place = 0;
    for (const auto& item : items) {
        PyObject* one = made(item);
        if (one == nullptr) {
            Py_DECREF(found);
            return nullptr;
        }
        PyList_SetItem(found, place++, one);
    }
    return found;
}

// A tuple of references that are given away; null, with an error set, if one of them is null.
template <typename... Items>
PyObject* together(Items... items) {
    PyObject* given[] = {items...};
    const Py_ssize_t count = sizeof...(items);
    PyObject* found = std::find(given, given + count, nullptr) == given + count ? PyTuple_New(count) : nullptr;
    for (Py_ssize_t i = 0; i < count; ++i) {
        if (found != nullptr)
            PyTuple_SetItem(found, i, given[i]);
        else
            Py_XDECREF(given[i]);
    }
    return found;
}

PyObject* tuple(PyObject* list) {
    PyObject* found = list == nullptr ? nullptr : PyList_AsTuple(list);
    Py_XDECREF(list);
    return found;
}

PyObject* python(const Shape& shape) {
    return together(text(shape.stage), text(shape.axis), tuple(list(shape.names, text)), bytes(shape.at),
                    bytes(shape.times), bytes(shape.steps), bytes(shape.epochs), columns(shape));
}

PyObject* python(const Other& other) {
    return together(PyLong_FromSsize_t(other.at), PyLong_FromSsize_t(other.begin), PyLong_FromSsize_t(other.end));
}

PyObject* python(const Rows& found) {
    const auto made = [](const auto& item) { return python(item); };
    return together(bytes(found.numbers), list(found.shapes, made), list(found.others, made));
}

}  // namespace

PyObject* rows(PyObject*, PyObject* const* given, Py_ssize_t count) {
    char* data = nullptr;
    Py_ssize_t size = 0, length = 0;
    if (count < 1 || count > 2) {
        PyErr_SetString(PyExc_TypeError, "rows takes data and perhaps a name");
        return nullptr;
    }
    if (PyBytes_AsStringAndSize(given[0], &data, &size) < 0) return nullptr;
    string_view name;
    const string_view* only = nullptr;
    if (count == 2 && given[1] != Py_None) {
        const char* utf8 = PyUnicode_AsUTF8AndSize(given[1], &length);
        if (utf8 == nullptr) return nullptr;
        name = string_view(utf8, static_cast<std::size_t>(length));
        only = &name;
    }
    Rows found;
    bool plain = false, memory = true;
    PyThreadState* state = PyEval_SaveThread();
    try {
        plain = found.take(string_view(data, static_cast<std::size_t>(size)), only);
    } catch (const std::bad_alloc&) {
        memory = false;
    }
    PyEval_RestoreThread(state);
    if (!memory) return PyErr_NoMemory();
    if (!plain) Py_RETURN_NONE;
    PyObject* done = python(found);
    if (done == nullptr && PyErr_ExceptionMatches(PyExc_UnicodeDecodeError)) {  // a name is not UTF-8
        PyErr_Clear();
        Py_RETURN_NONE;
    }
    return done;
}

}  // namespace etm
