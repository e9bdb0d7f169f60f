"""Lines of values in C++: the same bytes and the same numbers as in Python, sooner."""
