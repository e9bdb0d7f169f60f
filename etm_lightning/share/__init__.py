"""Who else should know: reports, tables, exports."""
