"""The table in the terminal and the report in build/."""
