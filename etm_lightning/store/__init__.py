"""Where experiments are kept, as read from the journals of their runs."""
