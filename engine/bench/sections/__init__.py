"""One module a section: `measure(lab)` yields its rows as they are known."""
