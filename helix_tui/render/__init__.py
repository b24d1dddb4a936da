"""Pure functions: events and numbers in, renderables out. Nothing here knows an app or a widget."""
