"""Pictures, tables and files: copied by the call, made into records by a thread."""
